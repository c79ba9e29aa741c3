//! What a Redis that is lost whole may take with it: looked at while it is whole, told when it is gone.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use contract::{Partition, Version};
use jiff::{SignedDuration, Timestamp};
use sqlx::{AssertSqlSafe, MySqlPool, query_as, raw_sql};
use tracing::warn;

use super::{Marker, known::Known};
use crate::{output::counted, store::servers::Servers};

const EVERY: Duration = Duration::from_secs(1);
/// A look that MySQL does not take is given up; the next one says more.
const PATIENCE: Duration = Duration::from_secs(3);

/// Remembers the depths of the outboxes in MySQL, once a second.
pub(super) struct Looks {
    last: Option<Instant>,
    failing: bool,
}

impl Looks {
    pub(super) const fn new() -> Self {
        Self { last: None, failing: false }
    }

    pub(super) fn due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= EVERY)
    }

    /// `at` is of before the markers were read: whatever they do not count was acknowledged after it. A partition that
    /// is not warm on `server` keeps what was seen of it while it was.
    pub(super) async fn remember(
        &mut self,
        mysql: &MySqlPool,
        server: &str,
        at: Timestamp,
        markers: &[(Partition, Marker)],
    ) {
        self.last = Some(Instant::now());
        let rows: Vec<String> = markers
            .iter()
            .filter(|(_, marker)| marker.run_id == server)
            .map(|(partition, Marker { waiting, last: Version { ms, seq }, .. })| {
                format!("({partition},{},{waiting},{ms},{seq})", at.as_millisecond())
            })
            .collect();
        if rows.is_empty() {
            return;
        }
        let write = format!(
            "INSERT INTO outbox_seen (p, seen_ms, waiting, last_ms, last_seq) VALUES {}
             ON DUPLICATE KEY UPDATE seen_ms = VALUES(seen_ms), waiting = VALUES(waiting),
                 last_ms = VALUES(last_ms), last_seq = VALUES(last_seq)",
            rows.join(",")
        );
        let outcome = tokio::time::timeout(PATIENCE, raw_sql(AssertSqlSafe(write)).execute(mysql)).await;
        match outcome.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(_) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                warn!("MySQL does not take what is seen of the outboxes; if Redis is lost now, less is known: {error}");
            }
            Err(_) => (),
        }
    }
}

/// The most that can have been lost: what waited at the last look, and what was acknowledged between it and `to`. What
/// the relay shipped after that look is not lost, so the truth may be less, and never more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    /// Partitions that had ever been served; only they have something to lose.
    pub(super) partitions: usize,
    /// Entries seen waiting at the last look.
    pub(super) waiting: u64,
    /// The last look, of that partition where it is longest ago; none where nobody had looked.
    pub(super) from: Option<Timestamp>,
    /// When the loss was noticed.
    pub(super) to: Timestamp,
}

impl Loss {
    pub(super) async fn read(
        mysql: &MySqlPool,
        known: &Known,
        lost: &[Partition],
        to: Timestamp,
    ) -> anyhow::Result<Self> {
        let rows: Vec<(u8, i64, i64)> =
            query_as("SELECT p, seen_ms, waiting FROM outbox_seen").fetch_all(mysql).await.context("MySQL")?;
        let served: Vec<Partition> = lost.iter().copied().filter(|partition| known.epoch(*partition) > 0).collect();
        let seen: Vec<(i64, i64)> = rows
            .into_iter()
            .filter(|(p, ..)| served.iter().any(|partition| partition.get() == *p))
            .map(|(_, at, waiting)| (at, waiting))
            .collect();
        let oldest = seen.iter().map(|(at, _)| *at).min().filter(|_| seen.len() == served.len());
        Ok(Self {
            partitions: served.len(),
            waiting: seen.iter().map(|(_, waiting)| waiting.unsigned_abs()).sum(),
            from: oldest.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            to,
        })
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { partitions, waiting, from, to } = self;
        if *partitions == 0 {
            return out.write_str("nothing lost: it had not served yet");
        }
        let (partitions, waiting) = (counted(*partitions, "partition"), counted(*waiting, "change"));
        write!(out, "lost at most, in {partitions}: the {waiting} that waited for the relay")?;
        match from {
            Some(from) => {
                let seconds = to.duration_since(*from).max(SignedDuration::ZERO).as_secs_f64();
                write!(out, " at {from}, and those acknowledged in the {seconds:.1} s from then to {to}")
            }
            None => write!(out, " when last seen, and those acknowledged since, until {to}; not all had been seen"),
        }
    }
}

/// The server's time of day; of several, the first one's.
pub(super) async fn time(redis: &mut Servers) -> anyhow::Result<Timestamp> {
    let (seconds, micros): (i64, i64) =
        redis::cmd("TIME").query_async(redis.any().context("Redis")?).await.context("Redis")?;
    Timestamp::from_microsecond(seconds.saturating_mul(1_000_000).saturating_add(micros)).context("Redis's clock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_says_what_was_seen_and_what_was_not() {
        let at = |ms: i64| Timestamp::from_millisecond(1_763_800_000_000 + ms).expect("in range");
        let loss = Loss { partitions: 2, waiting: 7, from: Some(at(0)), to: at(1500) };
        assert_eq!(
            loss.to_string(),
            "lost at most, in 2 partitions: the 7 changes that waited for the relay at 2025-11-22T08:26:40Z, and those \
             acknowledged in the 1.5 s from then to 2025-11-22T08:26:41.5Z"
        );
        assert!(Loss { from: None, ..loss.clone() }.to_string().ends_with("not all had been seen"));
        assert_eq!(Loss { partitions: 0, ..loss }.to_string(), "nothing lost: it had not served yet");
    }
}
