//! What a relay has in flight.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::ledger::relay_session::{SILENCE, TAKEN_TO_SENT};

/// What the relay has taken from Redis and not yet delivered, and from which server it took it.
#[derive(Debug, Default)]
pub(crate) struct Taken(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    run_id: String,
    next: u64,
    since: BTreeMap<u64, Instant>,
}

impl Taken {
    /// From now on, entries come from that server, or from none if the name is empty. Call this only while nothing is in
    /// flight.
    pub(crate) fn reads_from(&self, run_id: &str) {
        run_id.clone_into(&mut self.lock().run_id);
    }

    /// From now on, until the returned value is dropped, entries may be in flight. Create it before asking Redis: an
    /// answer on its way from a dying server counts as taken.
    pub(crate) fn in_flight(self: &Arc<Self>) -> InFlight {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        let since = Instant::now();
        state.since.insert(id, since);
        InFlight { taken: Arc::clone(self), id, since }
    }

    /// The server, and the age of the oldest entry in flight at `now`. Everything taken earlier has been delivered or
    /// has failed.
    pub(super) fn oldest(&self, now: Instant) -> (String, Duration) {
        let state = self.lock();
        // Ids grow with time.
        let age = state.since.values().next().map_or(Duration::ZERO, |since| now.saturating_duration_since(*since));
        (state.run_id.clone(), age)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Entries in flight.
#[derive(Debug)]
pub(crate) struct InFlight {
    taken: Arc<Taken>,
    id: u64,
    since: Instant,
}

impl InFlight {
    /// Whether the entries are too old to be sent.
    pub(super) fn is_old(&self) -> bool {
        self.since.elapsed() > TAKEN_TO_SENT
    }

    /// Whether a rebuild may have stopped waiting for these entries.
    pub(super) fn outlasts_a_rebuild(&self) -> bool {
        self.since.elapsed() > SILENCE
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.taken.lock().since.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_in_flight_tells_how_far_all_is_delivered() {
        let taken = Arc::new(Taken::default());
        taken.reads_from("a");
        assert_eq!(taken.oldest(Instant::now()), ("a".to_owned(), Duration::ZERO));
        let first = taken.in_flight();
        let between = Instant::now();
        while Instant::now() == between {}
        let second = taken.in_flight();
        let now = Instant::now();
        assert!(taken.oldest(now).1 >= now - between);
        drop(first);
        assert!(taken.oldest(now).1 < now - between);
        drop(second);
        assert_eq!(taken.oldest(now).1, Duration::ZERO);
    }
}
