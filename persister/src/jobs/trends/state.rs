//! What the job knows: how far it is in the topic, what it has counted, and which changes that were.

use std::collections::BTreeMap;

use contract::{ArticleId, Cause, Change, Event, Partition};
use serde::{Deserialize, Serialize};

use super::{
    seen::{Seen, Sight},
    window::{PERIODS, Window},
};

/// All of it is bounded: some 12 MB of [`Window`]s and 8 MB of [`Seen`] at most, and less than 16 MiB as JSON, which is
/// what a server takes at once (`max_allowed_packet`, by default of `MariaDB`).
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The next offset of each partition of the topic.
    pub(super) positions: BTreeMap<i32, i64>,
    /// By the number of the outbox's partition.
    seen: BTreeMap<u8, Seen>,
    /// One for each of [`PERIODS`].
    windows: [Window; PERIODS.len()],
}

/// What became of a like or an unlike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Counted,
    /// It was counted before.
    Repeated,
    /// It is older than the windows, or than the versions that are remembered of its outbox.
    Late,
}

impl Outcome {
    /// For the metrics.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Repeated => "repeated",
            Self::Late => "late",
        }
    }
}

impl State {
    /// Counts a change of a like, once, at its own time, whatever caused it: so what an attack brought goes when it is
    /// revoked. What `reconcile` says is no change, but the state said again.
    pub(super) fn count(&mut self, event: &Event, now_ms: u64) -> Option<Outcome> {
        let Change::Like(on) = event.change else { return None };
        if event.cause == Cause::Reconcile {
            return None;
        }
        let (article, at_ms) = (event.article, event.version.ms);
        if !PERIODS.iter().any(|period| period.holds(at_ms, now_ms)) {
            return Some(Outcome::Late);
        }
        let seen = self.seen.entry(Partition::of(article).get()).or_default();
        Some(match seen.look(event.version) {
            Sight::New => {
                for (period, window) in PERIODS.iter().zip(&mut self.windows) {
                    window.add(period, article, if on { 1 } else { -1 }, at_ms, now_ms);
                }
                Outcome::Counted
            }
            Sight::Again => Outcome::Repeated,
            Sight::Forgotten => Outcome::Late,
        })
    }

    /// Forgets what the windows have left behind.
    pub(super) fn move_to(&mut self, now_ms: u64) {
        for (period, window) in PERIODS.iter().zip(&mut self.windows) {
            window.move_to(period, now_ms);
        }
    }

    /// By each window's name, its articles that gained most, best first.
    pub(super) fn tops(&self, count: usize) -> impl Iterator<Item = (&'static str, Vec<(ArticleId, i64)>)> {
        PERIODS.iter().zip(&self.windows).map(move |(period, window)| (period.name, window.top(count)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use contract::Version;
    use jiff::Timestamp;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const NOW: u64 = 1_763_800_000_000;

    fn event(article: i64, user: i64, version: Version, on: bool, cause: Cause) -> Event {
        Event {
            version,
            user: user.try_into().ok(),
            article: article.try_into().expect("positive"),
            change: Change::Like(on),
            cause,
            occurred_at: Timestamp::from_millisecond(0).expect("in range"),
            request_id: String::new(),
            ip_hash: String::new(),
        }
    }

    /// What users did, one after the other, as the outboxes have it: only what changed anything.
    fn events() -> impl Strategy<Value = Vec<Event>> {
        vec((1..6_i64, 1..6_i64, any::<bool>(), 0..3 * 3_600_000_u64), 0..100).prop_map(|mut all| {
            all.sort_by_key(|(.., ago)| std::cmp::Reverse(*ago));
            let mut likes = HashMap::new();
            let mut events = vec![];
            for (place, (article, user, on, ago)) in all.into_iter().enumerate() {
                if likes.insert((article, user), on).unwrap_or_default() != on {
                    let version = Version { ms: NOW - ago, seq: place as u64 };
                    events.push(event(article, user, version, on, Cause::User));
                }
            }
            events
        })
    }

    /// Those, some of them again, in any order.
    fn delivered() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
        events().prop_flat_map(|events| {
            let again = proptest::sample::subsequence(events.clone(), 0..=events.len());
            again.prop_flat_map(move |again| {
                let all: Vec<Event> = events.iter().cloned().chain(again).collect();
                (Just(events.clone()), Just(all).prop_shuffle())
            })
        })
    }

    proptest! {
        #[test]
        fn repeated_and_out_of_order_each_change_counts_once(
            (events, delivered) in delivered(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut state = State::default();
            let cut = cut.index(delivered.len() + 1);
            for (place, event) in delivered.iter().enumerate() {
                if place == cut {
                    // As if it had been stopped and started.
                    let json = serde_json::to_vec(&state).expect("JSON");
                    state = serde_json::from_slice(&json).expect("what was written");
                }
                state.count(event, NOW);
            }
            let mut expected: BTreeMap<ArticleId, i64> = BTreeMap::new();
            for event in &events {
                *expected.entry(event.article).or_default() += if event.change == Change::Like(true) { 1 } else { -1 };
            }
            expected.retain(|_, likes| *likes > 0);
            let (_, day) = state.tops(usize::MAX).last().expect("two windows");
            prop_assert_eq!(day.into_iter().collect::<BTreeMap<_, _>>(), expected);
        }
    }

    #[test]
    fn a_revoked_like_is_none_and_a_reconciled_one_was_counted_before() {
        let mut state = State::default();
        let mut count = |seq, on, cause| state.count(&event(42, 7, Version { ms: NOW, seq }, on, cause), NOW);
        assert_eq!(count(0, true, Cause::User), Some(Outcome::Counted));
        assert_eq!(count(1, true, Cause::Reconcile), None);
        assert_eq!(count(0, true, Cause::User), Some(Outcome::Repeated));
        assert_eq!(count(2, false, Cause::Revoke), Some(Outcome::Counted));
        assert_eq!(
            state.count(&event(42, 7, Version { ms: NOW - 26 * 3_600_000, seq: 0 }, true, Cause::User), NOW),
            Some(Outcome::Late)
        );
        assert!(state.tops(9).all(|(_, top)| top.is_empty()));
    }

    /// Every article another one, with the longest ids there are, each bucket full, and every outbox's memory too.
    #[test]
    fn the_fullest_state_is_small_enough_for_one_statement() {
        let mut state = State::default();
        let mut article = i64::MAX;
        let mut fill = |begin: u64, length: u64, articles: u64| {
            for place in 0..articles {
                for like in 0..3 {
                    let version = Version { ms: begin + place * (length / articles) + like, seq: 12 };
                    state.count(&event(article, 7, version, true, Cause::User), NOW);
                }
                article -= 1;
            }
        };
        for hour in (2..=24).rev() {
            fill((NOW / 3_600_000 - hour) * 3_600_000, 3_600_000, 8000);
        }
        for minute in (0..=60).rev() {
            fill((NOW / 60_000 - minute) * 60_000, 60_000, 2000);
        }
        let json = serde_json::to_vec(&state).expect("JSON").len();
        // What is left is for counts of more digits, and for the packet's head.
        assert!((9_000_000..14_000_000).contains(&json), "{json} bytes");
    }
}
