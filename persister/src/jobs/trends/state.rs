//! The state of the job: its position in the topic, the counts, and which changes have been counted.

use std::collections::BTreeMap;

use contract::{ArticleNumber, Cause, Change, Counter, Event, Partition, Truth, Version};
use serde::{Deserialize, Serialize};

use super::{
    seen::{Outbox, Sight},
    source::Positions,
    window::{PERIODS, Period, Window},
};
use crate::ledger::{
    deleted::Lately,
    history::{Changes, Day, Moved, Viewed},
    trends::{COMMON, Top, Written},
};

/// How far a clock may be ahead of ours. What is further ahead is of today.
const AHEAD_MS: u64 = 86_400_000;

/// The size is bounded: about 16 MB of [`Window`]s for each counter, and at most 16 MB of [`Outbox`]es. In MySQL each
/// counter has one row and the rest has one row. Each is below 16 MiB as JSON, the default of `max_allowed_packet` in
/// `MariaDB`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct State {
    common: Common,
    by_counter: BTreeMap<Counter, Windows>,
    /// What the history does not have yet. It is not part of the checkpoint, but written with it.
    pub(super) changes: Changes,
}

/// One window for each of [`PERIODS`].
type Windows = [Window; PERIODS.len()];

/// The part that belongs to no counter.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Common {
    /// The first day of which the history has what this job counts.
    since: Day,
    /// The next offset of each partition of the topic.
    positions: Positions,
    /// What was counted of each outbox of Redis, by the number of the partition.
    seen_of_redis: BTreeMap<u8, Outbox>,
    /// What was counted of MySQL's outbox, whose versions come from another clock.
    seen_of_mysql: BTreeMap<u8, Outbox>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Counted,
    /// It had been counted before.
    Repeated,
    /// It is older than the versions remembered of its outbox.
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
    /// Nothing is counted yet. The history gets what was done from that day on.
    pub(super) fn new(since: Day) -> Self {
        let by_counter = Counter::all().map(|counter| (counter, Windows::default())).collect();
        Self { common: Common { since, ..Common::default() }, by_counter, changes: Changes::new() }
    }

    /// Reads the state that was written last. A counter that was added since starts empty.
    pub(super) fn from_parts(written: &Written) -> serde_json::Result<Self> {
        let mut state = Self::new(Day::default());
        state.common = serde_json::from_slice(&written.common)?;
        for (counter, windows) in &written.by_counter {
            state.by_counter.insert(*counter, serde_json::from_slice(windows)?);
        }
        Ok(state)
    }

    /// The state as it is written, by code.
    pub(super) fn parts(&self) -> impl Iterator<Item = (u8, Vec<u8>)> {
        let windows = self.by_counter.iter().map(|(counter, windows)| (counter.code(), json(windows)));
        std::iter::once_with(|| (COMMON, json(&self.common))).chain(windows)
    }

    /// The history gets what was done from that day on.
    pub(super) const fn begin(&mut self, since: Day) {
        self.common.since = since;
    }

    pub(super) const fn positions(&mut self) -> &mut Positions {
        &mut self.common.positions
    }

    /// Counts an event once, at its own time: in the windows whatever caused it, so that a revoked attack leaves the
    /// ranking, and in the history only what the user did. An event of `reconcile` repeats a state and is not counted.
    /// `partition` is that of the topic.
    pub(super) fn count(&mut self, partition: i32, event: &Event, now_ms: u64) -> Option<Outcome> {
        let (counter, on, truth) = match event.change {
            Change::Switch(kind, on) => (Counter::Of(kind), on, kind.truth()),
            Change::Read(_) => (Counter::Reads, true, Truth::Redis),
        };
        if event.cause == Cause::Reconcile {
            return None;
        }
        let article = event.article.number();
        let seen = match truth {
            Truth::Redis => &mut self.common.seen_of_redis,
            Truth::Mysql => &mut self.common.seen_of_mysql,
        };
        Some(match seen.entry(Partition::of(article).get()).or_default().look(partition, event.version) {
            Sight::New => {
                self.add(counter, article, if on { 1 } else { -1 }, event.version.ms, now_ms);
                if event.cause == Cause::User {
                    self.remember((counter, article), on, event.version, now_ms);
                }
                Outcome::Counted
            }
            Sight::Again => Outcome::Repeated,
            Sight::Forgotten => Outcome::Late,
        })
    }

    /// Counts page views and visitors in the windows. The history has them from the snapshot.
    pub(super) fn count_viewed(&mut self, viewed: &[Viewed], now_ms: u64) {
        for Viewed { minute, article, pv, uv } in viewed {
            let at_ms = u64::from(*minute) * 60_000;
            self.add(Counter::Pv, *article, *pv, at_ms, now_ms);
            self.add(Counter::Uv, *article, *uv, at_ms, now_ms);
        }
    }

    fn add(&mut self, counter: Counter, article: ArticleNumber, change: i64, at_ms: u64, now_ms: u64) {
        for (period, window) in PERIODS.iter().zip(self.by_counter.entry(counter).or_default()) {
            window.add(period, article, change, at_ms, now_ms);
        }
    }

    fn remember(&mut self, (counter, article): (Counter, ArticleNumber), on: bool, version: Version, now_ms: u64) {
        let at_ms = version.ms;
        let day = Day::of_ms(if at_ms > now_ms.saturating_add(AHEAD_MS) { now_ms } else { at_ms });
        if day >= self.common.since {
            let moved = self
                .changes
                .entry((article, day, counter.code()))
                .or_insert(Moved { first: version, ..Moved::default() });
            moved.first = version.min(moved.first);
            if on {
                moved.gained += 1;
            } else {
                moved.lost += 1;
            }
        }
    }

    /// Forgets buckets that have left their window.
    pub(super) fn move_to(&mut self, now_ms: u64) {
        for windows in self.by_counter.values_mut() {
            for (period, window) in PERIODS.iter().zip(windows) {
                window.move_to(period, now_ms);
            }
        }
    }

    /// The articles that gained most, best first, by window and counter. Of recently deleted articles only the gain since then
    /// counts.
    pub(super) fn tops(&self, count: usize, lately: &Lately) -> impl Iterator<Item = Top> {
        self.by_counter.iter().flat_map(move |(counter, windows)| {
            let top = move |(period, window): (&Period, &Window)| Top {
                span: period.name,
                counter: *counter,
                articles: window.top(count, |article, gained| lately.gained(article, *counter, gained)),
            };
            PERIODS.iter().zip(windows).map(top)
        })
    }
}

fn json(part: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(part).expect("maps of numbers always serialise")
}

#[cfg(test)]
mod tests;
