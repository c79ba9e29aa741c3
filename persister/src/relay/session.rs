//! What a rebuild must know of each relay: whether it may still hold entries of a Redis that has gone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use contract::Partition;
use sqlx::MySqlPool;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{backoff::pause, store::redis::Place};

const HEARTBEAT: Duration = Duration::from_millis(400);
/// What was taken longer ago is not sent any more: a relay that stood still must not ship what a Redis that was rebuilt
/// in the meantime does not have.
pub(crate) const TAKEN_TO_SENT: Duration = Duration::from_secs(2);
/// A heartbeat that MySQL does not answer is given up; the relay goes on without.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the relay has taken from Redis and not yet delivered, and from which server.
#[derive(Debug, Default)]
pub(crate) struct Taken(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    run_id: String,
    next: u64,
    since: BTreeMap<u64, Instant>,
}

impl Taken {
    /// From here on entries are taken from that server; from none, if empty. Called only while nothing is in flight.
    pub(crate) fn reads_from(&self, run_id: &str) {
        run_id.clone_into(&mut self.lock().run_id);
    }

    /// Entries may be taken from now on, until the answer is dropped. Made before Redis is asked, since what is on its
    /// way from a server that dies counts as taken.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        let since = Instant::now();
        state.since.insert(id, since);
        Hold { taken: Arc::clone(self), id, since }
    }

    /// The server, and how long before `now` the oldest entry in flight was taken: all taken before has been delivered
    /// or failed.
    fn oldest(&self, now: Instant) -> (String, Duration) {
        let state = self.lock();
        // Ids are given in the order of time.
        let age = state.since.values().next().map_or(Duration::ZERO, |since| now.saturating_duration_since(*since));
        (state.run_id.clone(), age)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Entries in flight.
#[derive(Debug)]
pub(crate) struct Hold {
    taken: Arc<Taken>,
    id: u64,
    since: Instant,
}

impl Hold {
    /// Whether it is too late to send what was taken.
    pub(super) fn is_old(&self) -> bool {
        self.since.elapsed() > TAKEN_TO_SENT
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.taken.lock().since.remove(&self.id);
    }
}

/// Writes the relay's row until `drained`, then removes it.
pub(crate) async fn run(mysql: &MySqlPool, relay: &str, place: &Place, taken: &Taken, drained: &CancellationToken) {
    let mut failing = false;
    while !drained.is_cancelled() {
        let outcome = tokio::time::timeout(PATIENCE, beat(mysql, relay, place, taken)).await;
        match outcome.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                warn!(
                    "MySQL does not take the relay's heartbeat; a Redis that restarts is warmed later for it: {error}"
                );
            }
            Err(_) => (),
        }
        pause(HEARTBEAT, drained).await;
    }
    let forget = sqlx::query("DELETE FROM relay_session WHERE relay_id = ?").bind(relay).execute(mysql);
    // If this fails, a rebuild finds the row silent and waits a little longer.
    let _ = tokio::time::timeout(Duration::from_secs(1), forget).await;
}

/// Partitions as a set of 128 bits, which MySQL can compare.
pub(crate) fn bits(partitions: &[Partition]) -> (u64, u64) {
    let set = partitions.iter().fold(0_u128, |set, partition| set | 1 << partition.get());
    #[expect(clippy::cast_possible_truncation, reason = "each half of it")]
    (set as u64, (set >> 64) as u64)
}

/// Says of the relay what [`Taken`] knows. Also called before the first read from a server, so that a rebuild knows of
/// the relay before it holds anything.
pub(crate) async fn beat(mysql: &MySqlPool, relay: &str, place: &Place, taken: &Taken) -> sqlx::Result<()> {
    // The time first: entries taken between the two questions must not count as delivered.
    let now: String = sqlx::query_scalar("SELECT CAST(UTC_TIMESTAMP(3) AS CHAR)").fetch_one(mysql).await?;
    let (run_id, age) = taken.oldest(Instant::now());
    let (low, high) = bits(&place.partitions);
    sqlx::query(
        "INSERT INTO relay_session (relay_id, partitions_low, partitions_high, run_id, drained_to, seen_at)
         VALUES (?, ?, ?, ?, CAST(? AS DATETIME(3)) - INTERVAL ? MICROSECOND, UTC_TIMESTAMP(3))
         ON DUPLICATE KEY UPDATE run_id = VALUES(run_id), drained_to = VALUES(drained_to), seen_at = VALUES(seen_at)",
    )
    .bind(relay)
    .bind(low)
    .bind(high)
    .bind(run_id)
    .bind(now)
    // A millisecond is the columns' precision.
    .bind(u64::try_from(age.as_micros()).unwrap_or(u64::MAX) + 1000)
    .execute(mysql)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_hold_tells_how_far_all_is_delivered() {
        let taken = Arc::new(Taken::default());
        taken.reads_from("a");
        assert_eq!(taken.oldest(Instant::now()), ("a".to_owned(), Duration::ZERO));
        let first = taken.hold();
        let between = Instant::now();
        while Instant::now() == between {}
        let second = taken.hold();
        let now = Instant::now();
        assert!(taken.oldest(now).1 >= now - between);
        drop(first);
        assert!(taken.oldest(now).1 < now - between);
        drop(second);
        assert_eq!(taken.oldest(now).1, Duration::ZERO);
    }
}
