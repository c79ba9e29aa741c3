//! The state of the job: its position in the topic, the counts, and which changes have been counted.

use std::collections::BTreeMap;

use contract::{Cause, Change, Event, Kind, Partition, Truth};
use serde::{Deserialize, Serialize};

use super::{
    seen::{Seen, Sight},
    source::Positions,
    window::{PERIODS, Period, Window},
};
use crate::ledger::{
    deleted::Lately,
    trends::{Parts, Top},
};

/// The size is bounded: about 12 MB of [`Window`]s for each kind, and at most 16 MB of [`Seen`]. In MySQL each kind has
/// one row and the rest has one row. Each is below 16 MiB as JSON, the default of `max_allowed_packet` in `MariaDB`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    common: Common,
    by_kind: BTreeMap<Kind, Windows>,
}

/// One window for each of [`PERIODS`].
type Windows = [Window; PERIODS.len()];

/// The part that belongs to no kind.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Common {
    /// The next offset of each partition of the topic.
    positions: Positions,
    /// What was counted of each outbox of Redis, by the number of the partition.
    seen_of_redis: BTreeMap<u8, Seen>,
    /// What was counted of MySQL's outbox, whose versions come from another clock.
    seen_of_mysql: BTreeMap<u8, Seen>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Counted,
    /// It had been counted before.
    Repeated,
    /// It is older than the windows, or than the versions remembered of its outbox.
    Late,
}

impl Outcome {
    /// The label in metrics.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Repeated => "repeated",
            Self::Late => "late",
        }
    }
}

impl State {
    /// Reads the state that was written last. A kind that was added since starts empty.
    pub(super) fn from_parts(parts: &Parts) -> serde_json::Result<Self> {
        let common = serde_json::from_slice(&parts.common)?;
        let windows = |(kind, state): &(Kind, Vec<u8>)| Ok((*kind, serde_json::from_slice(state)?));
        Ok(Self { common, by_kind: parts.by_kind.iter().map(windows).collect::<serde_json::Result<_>>()? })
    }

    /// The state as it is written.
    pub(super) fn to_parts(&self) -> serde_json::Result<Parts> {
        let windows = |(kind, windows): (&Kind, &Windows)| Ok((*kind, serde_json::to_vec(windows)?));
        let by_kind = self.by_kind.iter().map(windows).collect::<serde_json::Result<_>>()?;
        Ok(Parts { common: serde_json::to_vec(&self.common)?, by_kind })
    }

    pub(super) const fn positions(&mut self) -> &mut Positions {
        &mut self.common.positions
    }

    /// Counts a change of a kind once, at its own time, whatever caused it. So a revoked attack leaves the ranking. An
    /// event of `reconcile` repeats a state and is not counted.
    pub(super) fn count(&mut self, event: &Event, now_ms: u64) -> Option<Outcome> {
        let Change::Switch(kind, on) = event.change else { return None };
        if event.cause == Cause::Reconcile {
            return None;
        }
        let (article, at_ms) = (event.article.number(), event.version.ms);
        if !PERIODS.iter().any(|period| period.holds(at_ms, now_ms)) {
            return Some(Outcome::Late);
        }
        let seen = match kind.truth() {
            Truth::Redis => &mut self.common.seen_of_redis,
            Truth::Mysql => &mut self.common.seen_of_mysql,
        };
        Some(match seen.entry(Partition::of(article).get()).or_default().look(event.version) {
            Sight::New => {
                for (period, window) in PERIODS.iter().zip(self.by_kind.entry(kind).or_default()) {
                    window.add(period, article, if on { 1 } else { -1 }, at_ms, now_ms);
                }
                Outcome::Counted
            }
            Sight::Again => Outcome::Repeated,
            Sight::Forgotten => Outcome::Late,
        })
    }

    /// Forgets buckets that have left their window.
    pub(super) fn move_to(&mut self, now_ms: u64) {
        for windows in self.by_kind.values_mut() {
            for (period, window) in PERIODS.iter().zip(windows) {
                window.move_to(period, now_ms);
            }
        }
    }

    /// The articles that gained most, best first, by window and kind. Of recently deleted articles only the gain since then
    /// counts.
    pub(super) fn tops(&self, count: usize, lately: &Lately) -> impl Iterator<Item = Top> {
        self.by_kind.iter().flat_map(move |(kind, windows)| {
            let top = move |(period, window): (&Period, &Window)| Top {
                span: period.name,
                kind: *kind,
                articles: window.top(count, |article, gained| lately.gained(article, *kind, gained)),
            };
            PERIODS.iter().zip(windows).map(top)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use contract::{ArticleNumber, Version};
    use jiff::Timestamp;
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    const NOW: u64 = 1_763_800_000_000;

    fn event(article: i64, user: i64, version: Version, change: Change, cause: Cause) -> Event {
        Event {
            version,
            user: user.to_string().parse().ok(),
            article: article.to_string().parse().expect("an id"),
            change,
            cause,
            occurred_at: Timestamp::from_millisecond(0).expect("in range"),
            request_id: String::new(),
            ip_hash: String::new(),
        }
    }

    /// What users did, in order, as the outboxes have it: only real changes. Versions of the two stores are unrelated
    /// and may be equal.
    fn events() -> impl Strategy<Value = Vec<Event>> {
        let one = (1..6_i64, select(Kind::ALL), 1..6_i64, any::<bool>(), 0..3 * 3_600_000_u64);
        vec(one, 0..100).prop_map(|mut all| {
            all.sort_by_key(|(.., ago)| std::cmp::Reverse(*ago));
            let (mut states, mut seqs) = (HashMap::new(), HashMap::<Truth, u64>::new());
            let mut events = vec![];
            for (article, kind, user, on, ago) in all {
                if states.insert((article, kind, user), on).unwrap_or_default() != on {
                    let seq = seqs.entry(kind.truth()).or_default();
                    *seq += 1;
                    let version = Version { ms: NOW - ago, seq: *seq };
                    events.push(event(article, user, version, Change::Switch(kind, on), Cause::User));
                }
            }
            events
        })
    }

    /// The events with some repeated, in any order.
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
                    // As after a restart of the job.
                    state = State::from_parts(&state.to_parts().expect("JSON")).expect("what was written");
                }
                state.count(event, NOW);
            }
            let mut expected: BTreeMap<(Kind, ArticleNumber), i64> = BTreeMap::new();
            for event in &events {
                if let Change::Switch(kind, on) = event.change {
                    *expected.entry((kind, event.article.number())).or_default() += if on { 1 } else { -1 };
                }
            }
            expected.retain(|_, gained| *gained > 0);
            let mut found = BTreeMap::new();
            for Top { kind, articles, .. } in state.tops(usize::MAX, &Lately::default()).filter(|top| top.span == "day") {
                found.extend(articles.into_iter().map(|(article, gained)| ((kind, article), gained)));
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_is_revoked_is_none_and_what_is_reconciled_was_counted_before() {
        for kind in Kind::ALL {
            let mut state = State::default();
            let event = |ms, seq, on, cause| event(42, 7, Version { ms, seq }, Change::Switch(*kind, on), cause);
            let mut count = |seq, on, cause| state.count(&event(NOW, seq, on, cause), NOW);
            assert_eq!(count(0, true, Cause::User), Some(Outcome::Counted));
            assert_eq!(count(1, true, Cause::Reconcile), None);
            assert_eq!(count(0, true, Cause::User), Some(Outcome::Repeated));
            assert_eq!(count(2, false, Cause::Revoke), Some(Outcome::Counted));
            let old = event(NOW - 26 * 3_600_000, 0, true, Cause::User);
            assert_eq!(state.count(&old, NOW), Some(Outcome::Late));
            assert!(state.tops(9, &Lately::default()).all(|top| top.articles.is_empty()));
        }
    }

    /// The largest state: different articles everywhere, the longest ids, every bucket full, and every outbox's memory
    /// too.
    #[test]
    fn the_fullest_state_is_small_enough_for_one_statement_a_part() {
        let mut state = State::default();
        let (mut article, mut seq) = (i64::MAX, u64::MAX >> 1);
        let mut fill = |begin: u64, length: u64, articles: u64| {
            for place in 0..articles {
                for one in 0..3 {
                    // Ids in MySQL's outbox are as long as possible, and their order differs from that of their times.
                    seq -= 1_000_003;
                    for (kind, seq) in [(Kind::Like, 12), (Kind::Collect, seq)] {
                        let version = Version { ms: begin + place * (length / articles) + one, seq };
                        state.count(&event(article, 7, version, Change::Switch(kind, true), Cause::User), NOW);
                    }
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
        let parts = state.to_parts().expect("JSON");
        // The rest is room for counts with more digits, and for the packet's header.
        for (part, range) in parts
            .by_kind
            .iter()
            .map(|(_, part)| (part, 6_000_000..14_000_000))
            .chain([(&parts.common, 3_000_000..14_000_000)])
        {
            assert!(range.contains(&part.len()), "{} bytes", part.len());
        }
    }
}
