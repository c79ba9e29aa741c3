//! The effect of a batch of events. Nothing here uses a store, so a test can check the promise on its own: the result
//! is the same for any order of the events and any repetition.

use std::collections::{BTreeMap, btree_map::Entry};

use contract::{ArticleNumber, Change, Event, Kind, Pair, Partition, Truth, UserNumber, Version};
use jiff::{SignedDuration, Timestamp};

use super::{deleted::Deleted, erased::Erased, names::NewNames, rows::Rows};

/// How long after its view a read may come. The view token has the same limit (`handlers/common/src/view_token.rs`).
const VIEW_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// A reader and the article, in the order of the primary key of `user_read`.
pub(crate) type Reader = (UserNumber, ArticleNumber);

/// The change of each count.
pub(crate) type Deltas = BTreeMap<(ArticleNumber, Kind), i64>;

/// A pair's state after the latest event of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) version: Version,
    pub(crate) on: bool,
    pub(crate) at: Timestamp,
}

/// An article's reads, or a user's last read, after the latest event of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Latest<T> {
    pub(crate) version: Version,
    pub(crate) value: T,
}

/// The events of a batch; only the latest for each row.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Collapsed {
    pub(crate) states: BTreeMap<Pair, State>,
    pub(crate) user_reads: BTreeMap<Reader, Latest<Timestamp>>,
    pub(crate) reads: BTreeMap<ArticleNumber, Latest<u64>>,
    /// The highest version of each partition, including skipped events: MySQL has seen them.
    pub(crate) seen: BTreeMap<Partition, Version>,
    /// The names of all ids to be written.
    pub(crate) names: NewNames,
}

impl Collapsed {
    pub(crate) fn of<'a>(events: impl IntoIterator<Item = &'a Event>, erased: &Erased, deleted: &Deleted) -> Self {
        let mut batch = Self::default();
        for event in events {
            batch.add(event, erased, deleted);
        }
        batch
    }

    fn add(&mut self, event: &Event, erased: &Erased, deleted: &Deleted) {
        let version = event.version;
        let Some(partition) = outbox_of(event) else {
            // MySQL had this change before Kafka.
            return;
        };
        let seen = self.seen.entry(partition).or_default();
        *seen = version.max(*seen);
        let article = event.article.number();
        let deletion = deleted.get(&article);
        if deletion.is_some_and(|deletion| version <= deletion.version) {
            return;
        }
        // A view token from before an erasure or a deletion may still be used until it expires.
        let grace = if let Change::Read(_) = event.change { VIEW_LIFETIME } else { SignedDuration::ZERO };
        let is_after = |at: Timestamp| event.occurred_at.duration_since(at) > grace;
        let user = event.user.as_ref().filter(|user| erased.get(&user.number()).is_none_or(|at| is_after(*at)));
        match (event.change, user) {
            (Change::Switch(kind, on), Some(user)) => {
                let state = State { version, on, at: event.occurred_at };
                keep_latest(self.states.entry((article, kind, user.number())), state, |state| state.version);
            }
            (Change::Read(reads), user) => {
                // The number of reads names nobody, so it counts reads of erased users too.
                let latest = Latest { version, value: reads };
                keep_latest(self.reads.entry(article), latest, |latest| latest.version);
                // The view may have been from before the deletion: nobody knows.
                if let Some(user) = user.filter(|_| deletion.is_none_or(|deletion| is_after(deletion.at))) {
                    let latest = Latest { version, value: event.occurred_at };
                    keep_latest(self.user_reads.entry((user.number(), article)), latest, |latest| latest.version);
                }
            }
            (Change::Switch(..), None) => return,
        }
        self.names.article(&event.article);
        if let Some(user) = user {
            self.names.user(user);
        }
    }

    /// The real changes, given the existing rows: the states newer than their rows, and the change of each count.
    pub(crate) fn against(&self, rows: &Rows) -> (Vec<(Pair, State)>, Deltas) {
        let mut newer = Vec::with_capacity(self.states.len());
        let mut deltas = Deltas::new();
        for (pair, state) in &self.states {
            let (version, on) = rows.get(pair).copied().unwrap_or_default();
            if state.version <= version && rows.contains_key(pair) {
                continue;
            }
            newer.push((*pair, *state));
            if state.on != on {
                let (article, kind, _) = *pair;
                *deltas.entry((article, kind)).or_default() += if state.on { 1 } else { -1 };
            }
        }
        deltas.retain(|_, delta| *delta != 0);
        (newer, deltas)
    }
}

/// The partition whose outbox in Redis gave the event its version. None for events of MySQL's outbox, which
/// has another clock.
pub(crate) fn outbox_of(event: &Event) -> Option<Partition> {
    match event.change {
        Change::Switch(kind, _) if kind.truth() == Truth::Mysql => None,
        Change::Switch(..) | Change::Read(_) => Some(Partition::of(event.article.number())),
    }
}

fn keep_latest<K: Ord, V>(entry: Entry<'_, K, V>, value: V, version: impl Fn(&V) -> Version) {
    match entry {
        Entry::Vacant(vacant) => {
            vacant.insert(value);
        }
        Entry::Occupied(mut there) => {
            if version(&value) > version(there.get()) {
                there.insert(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::Cause;
    use proptest::{prelude::*, sample::select};

    use super::*;
    use crate::ledger::deleted::Deletion;

    /// The tables, as far as these events concern them.
    #[derive(Debug, Default, Clone, PartialEq, Eq)]
    struct Tables {
        states: Rows,
        counts: Deltas,
        reads: BTreeMap<ArticleNumber, Latest<u64>>,
        user_reads: BTreeMap<Reader, Latest<Timestamp>>,
        seen: BTreeMap<Partition, Version>,
    }

    impl Tables {
        fn apply(&mut self, events: &[Event], erased: &Erased, deleted: &Deleted) {
            let batch = Collapsed::of(events, erased, deleted);
            let (newer, deltas) = batch.against(&self.states);
            self.states.extend(newer.into_iter().map(|(pair, state)| (pair, (state.version, state.on))));
            for (of, delta) in deltas {
                *self.counts.entry(of).or_default() += delta;
            }
            self.counts.retain(|_, count| *count != 0);
            for (article, latest) in batch.reads {
                keep_latest(self.reads.entry(article), latest, |latest| latest.version);
            }
            for (pair, latest) in batch.user_reads {
                keep_latest(self.user_reads.entry(pair), latest, |latest| latest.version);
            }
            for (partition, version) in batch.seen {
                let seen = self.seen.entry(partition).or_default();
                *seen = version.max(*seen);
            }
        }
    }

    /// Few users and articles, so that events meet. Each event's version is its position.
    fn events() -> impl Strategy<Value = Vec<Event>> {
        let one = (
            1..4_i64,
            1..4_i64,
            prop_oneof![
                (select(Kind::ALL), any::<bool>()).prop_map(|(kind, on)| Change::Switch(kind, on)),
                (0..100_u64).prop_map(Change::Read),
            ],
        );
        proptest::collection::vec(one, 0..40).prop_map(|all| {
            all.into_iter()
                .enumerate()
                .map(|(place, (user, article, change))| Event {
                    version: Version { ms: 1 + place as u64 / 3, seq: place as u64 % 3 },
                    user: user.to_string().parse().ok(),
                    article: article.to_string().parse().expect("an id"),
                    change,
                    cause: Cause::User,
                    occurred_at: Timestamp::from_second(i64::try_from(place).expect("small")).expect("in range"),
                    request_id: String::new(),
                    ip_hash: String::new(),
                })
                .collect()
        })
    }

    /// The first article, deleted at the event of that place.
    fn deleted(place: u64) -> Deleted {
        let version = Version { ms: 1 + place / 3, seq: place % 3 };
        let at = Timestamp::from_second(place.cast_signed()).expect("in range");
        [(1.try_into().expect("positive"), Deletion { version, at })].into()
    }

    fn none() -> Deleted {
        Deleted::new()
    }

    /// The events, some of them repeated, in any order, cut into batches.
    fn redelivered(events: Vec<Event>) -> impl Strategy<Value = (Vec<Event>, Vec<Event>, usize)> {
        let again = proptest::sample::subsequence(events.clone(), 0..=events.len());
        (again, 1..10_usize).prop_flat_map(move |(again, size)| {
            let all: Vec<Event> = events.iter().cloned().chain(again).collect();
            (Just(events.clone()), Just(all).prop_shuffle(), Just(size))
        })
    }

    proptest! {
        #[test]
        fn any_order_any_repetition_and_any_batches_give_the_same_state(
            (events, delivered, size) in events().prop_flat_map(redelivered),
            erased_at in proptest::option::of(0..40_i64),
            deleted_at in proptest::option::of(0..40_u64),
        ) {
            let erased: Erased = erased_at
                .map(|at| (1.try_into().expect("positive"), Timestamp::from_second(at).expect("in range")))
                .into_iter()
                .collect();
            let deleted = deleted_at.map(deleted).unwrap_or_default();
            let (mut once, mut tables) = (Tables::default(), Tables::default());
            for event in &events {
                once.apply(std::slice::from_ref(event), &erased, &deleted);
            }
            for batch in delivered.chunks(size) {
                tables.apply(batch, &erased, &deleted);
            }
            prop_assert_eq!(&tables, &once);
            for (of, count) in &tables.counts {
                let on = tables.states.iter().filter(|((article, kind, _), (_, on))| (*article, *kind) == *of && *on);
                prop_assert_eq!(usize::try_from(*count), Ok(on.count()), "the count is the sum of the states");
            }
        }

        #[test]
        fn of_a_deleted_article_only_what_happened_since_leaves_a_row(events in events(), place in 0..40_u64) {
            let deleted = deleted(place);
            let (article, Deletion { version, .. }) = deleted.iter().next().expect("one");
            let of = |events: &[Event], deleted: &Deleted| Collapsed::of(events, &Erased::new(), deleted);
            let mut since = events.clone();
            since.retain(|event| event.article.number() != *article || event.version > *version);
            let (batch, all, since) = (of(&events, &deleted), of(&events, &none()), of(&since, &none()));
            prop_assert_eq!((&batch.states, &batch.reads), (&since.states, &since.reads));
            // All of this happened within a minute: the views may have been from before the deletion.
            prop_assert!(batch.user_reads.keys().all(|(_, of)| of != article));
            prop_assert_eq!(batch.seen, all.seen, "MySQL has heard of the others too");
        }

        #[test]
        fn what_an_erased_user_did_before_leaves_no_row(events in events()) {
            let erased: Erased = [(1.try_into().expect("positive"), Timestamp::from_second(1000).expect("in range"))].into();
            let batch = Collapsed::of(&events, &erased, &none());
            prop_assert!(batch.states.keys().all(|(.., user)| user.get() != 1));
            prop_assert!(batch.user_reads.keys().all(|(user, _)| user.get() != 1));
        }
    }

    #[test]
    fn a_read_by_a_view_token_from_before_an_erasure_names_nobody() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let user = UserNumber::try_from(1).expect("positive");
        let erased: Erased = [(user, at(1000))].into();
        let day = VIEW_LIFETIME.as_secs();
        for (second, named) in [(1000, false), (1000 + day, false), (1001 + day, true)] {
            let read = Event {
                version: Version { ms: 1, seq: 0 },
                user: "1".parse().ok(),
                article: "1".parse().expect("an id"),
                change: Change::Read(5),
                cause: Cause::User,
                occurred_at: at(second),
                request_id: String::new(),
                ip_hash: String::new(),
            };
            let batch = Collapsed::of([&read], &erased, &none());
            assert_eq!((batch.user_reads.len(), batch.reads.len()), (usize::from(named), 1), "{second}");
        }
    }
}
