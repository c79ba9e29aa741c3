//! The most that a loss of Redis's data can have lost.

use std::fmt::{self, Display};

use contract::Partition;
use jiff::{SignedDuration, Timestamp};
use sqlx::MySqlPool;

use super::{known::Known, outbox_seen};
use crate::{output::counted, store::StoreError};

/// The upper bound of a loss: the entries that waited when last seen, and everything acknowledged from then until `to`.
/// What the relay shipped in between is not lost, so the real loss may be smaller, and is never larger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Partitions that had served before. Only these can have lost something.
    pub(crate) partitions: usize,
    /// Entries that waited when last seen.
    pub(crate) waiting: u64,
    /// When the outboxes were last seen; the oldest time of all partitions. None if they never were.
    pub(crate) from: Option<Timestamp>,
    /// When the loss was noticed.
    pub(crate) to: Timestamp,
}

impl Loss {
    /// Reads the bound for the lost partitions.
    pub(crate) async fn read(
        mysql: &MySqlPool,
        known: &Known,
        lost: &[Partition],
        to: Timestamp,
    ) -> Result<Self, StoreError> {
        let served: Vec<Partition> = lost.iter().copied().filter(|partition| known.of(*partition).epoch > 0).collect();
        let seen: Vec<(i64, i64)> = outbox_seen::read(mysql)
            .await?
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

impl Display for Loss {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
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
