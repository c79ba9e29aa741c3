use std::collections::HashMap;

use contract::Kind;
use jiff::Timestamp;
use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

const NOW: u64 = 1_763_800_000_000;

/// What a checkpoint writes.
fn written(state: &State) -> Written {
    let mut parts = state.parts();
    let (_, common) = parts.next().expect("the first");
    let by_counter = parts.map(|(code, part)| (Counter::from_code(code).expect("a counter"), part)).collect();
    Written { writes: 1, common, by_counter }
}

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
    let one = (1..6_i64, select(Kind::ALL), 1..6_i64, any::<bool>(), 0..9 * 3_600_000_u64);
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
        let mut state = State::new(Day::default());
        let mut history = Changes::new();
        let mut save = |state: &mut State| {
            for (key, moved) in std::mem::take(&mut state.changes) {
                let sum = history.entry(key).or_default();
                *sum = Moved { gained: sum.gained + moved.gained, lost: sum.lost + moved.lost, ..Moved::default() };
            }
        };
        let cut = cut.index(delivered.len() + 1);
        for (place, event) in delivered.iter().enumerate() {
            if place == cut {
                // As after a restart of the job.
                save(&mut state);
                state = State::from_parts(&written(&state)).expect("what was written");
            }
            state.count(0, event, NOW);
        }
        save(&mut state);
        let mut done = Changes::new();
        let mut expected: BTreeMap<(Kind, ArticleNumber), i64> = BTreeMap::new();
        for event in &events {
            if let Change::Switch(kind, on) = event.change {
                *expected.entry((kind, event.article.number())).or_default() += if on { 1 } else { -1 };
                let key = (event.article.number(), Day::of_ms(event.version.ms), kind.code());
                let moved = done.entry(key).or_default();
                *(if on { &mut moved.gained } else { &mut moved.lost }) += 1;
            }
        }
        expected.retain(|_, gained| *gained > 0);
        let mut found = BTreeMap::new();
        for Top { counter, articles, .. } in state.tops(usize::MAX, &Lately::default()).filter(|top| top.span == "day") {
            let Counter::Of(kind) = counter else { continue };
            found.extend(articles.into_iter().map(|(article, gained)| ((kind, article), gained)));
        }
        prop_assert_eq!(found, expected);
        prop_assert_eq!(history, done);
    }
}

#[test]
fn what_is_revoked_leaves_the_ranking_and_what_is_reconciled_was_counted_before() {
    for kind in Kind::ALL {
        let mut state = State::new(Day::default());
        let event = |seq, on, cause| event(42, 7, Version { ms: NOW, seq }, Change::Switch(*kind, on), cause);
        let mut count = |seq, on, cause| state.count(0, &event(seq, on, cause), NOW);
        assert_eq!(count(0, true, Cause::User), Some(Outcome::Counted));
        assert_eq!(count(1, true, Cause::Reconcile), None);
        assert_eq!(count(0, true, Cause::User), Some(Outcome::Repeated));
        assert_eq!(count(2, false, Cause::Revoke), Some(Outcome::Counted));
        assert!(state.tops(9, &Lately::default()).all(|top| top.articles.is_empty()));
        let moved: Vec<_> = state.changes.into_iter().collect();
        let today = (ArticleNumber::try_from(42).expect("an id"), Day::of_ms(NOW), kind.code());
        assert_eq!(
            moved,
            [(today, Moved { gained: 1, lost: 0, first: Version { ms: NOW, seq: 0 } })],
            "the history has what the user did"
        );
    }
}

#[test]
fn a_change_is_of_its_own_day_if_the_history_is_counted_since_then() {
    const DAY: u64 = 86_400_000;
    let midnight = NOW / DAY * DAY;
    let mut state = State::new(Day::of_ms(midnight - DAY));
    let far = u64::MAX >> 1;
    for (seq, ms) in
        [midnight - DAY - 1, midnight - DAY, midnight - 1, midnight, midnight + DAY, far].into_iter().enumerate()
    {
        let read = event(42, 7, Version { ms, seq: seq as u64 }, Change::Read(9), Cause::User);
        assert_eq!(state.count(0, &read, NOW), Some(Outcome::Counted));
    }
    let days: Vec<(Day, i64)> = state.changes.iter().map(|((_, day, _), moved)| (*day, moved.gained)).collect();
    let day = |ms| Day::of_ms(ms);
    assert_eq!(
        days,
        [(day(midnight - DAY), 2), (day(midnight), 2), (day(midnight + DAY), 1)],
        "no clock is a day ahead"
    );
    let lately = Lately::default();
    let of_reads = state.tops(9, &lately).filter(|top| top.counter == Counter::Reads).map(|top| top.articles[0].1);
    assert_eq!(of_reads.collect::<Vec<_>>(), [2, 4, 6]);
}

#[test]
fn page_views_are_ranked_by_their_time_and_are_not_counted_in_the_history_again() {
    let mut state = State::new(Day::default());
    let article = ArticleNumber::try_from(42).expect("an id");
    let viewed = |ms, pv, uv| Viewed { minute: u32::try_from(ms / 60_000).expect("a minute"), article, pv, uv };
    state.count_viewed(&[viewed(NOW - 2 * 86_400_000, 5, 0), viewed(NOW, 1, 2)], NOW);
    let found = |span| {
        let lately = Lately::default();
        let tops = state.tops(9, &lately).filter(|top| top.span == span && !top.articles.is_empty());
        tops.map(|top| (top.counter, top.articles)).collect::<Vec<_>>()
    };
    assert_eq!(found("week"), [(Counter::Pv, vec![(article, 6)]), (Counter::Uv, vec![(article, 2)])]);
    assert_eq!(found("hour"), [(Counter::Pv, vec![(article, 1)]), (Counter::Uv, vec![(article, 2)])]);
    assert!(state.changes.is_empty());
}

/// The largest state: different articles everywhere, the longest ids, every bucket full, and every outbox's memory
/// too.
#[test]
fn the_fullest_state_is_small_enough_for_one_statement_a_part() {
    let mut state = State::new(Day::default());
    let (mut article, mut seq) = (i64::MAX, u64::MAX >> 1);
    let mut fill = |begin: u64, length: u64, articles: u64| {
        for place in 0..articles {
            for one in 0..3 {
                // Ids in MySQL's outbox are as long as possible, and their order differs from that of their times.
                seq -= 1_000_003;
                for (kind, seq) in [(Kind::Like, 12), (Kind::Collect, seq)] {
                    let version = Version { ms: begin + place * (length / articles) + one, seq };
                    let event = event(article, 7, version, Change::Switch(kind, true), Cause::User);
                    state.count(0, &event, NOW);
                }
            }
            article -= 1;
        }
        state.changes.clear();
    };
    for half in (3..=14).rev() {
        fill((NOW / 43_200_000 - half) * 43_200_000, 43_200_000, 8000);
    }
    for hour in (2..=24).rev() {
        fill((NOW / 3_600_000 - hour) * 3_600_000, 3_600_000, 8000);
    }
    for minute in (0..=60).rev() {
        fill((NOW / 60_000 - minute) * 60_000, 60_000, 2000);
    }
    // The rest is room for counts with more digits, and for the packet's header.
    for (code, part) in state.parts() {
        let range = match code {
            COMMON => 3_000_000..14_000_000,
            code if code == Kind::Like.code() || code == Kind::Collect.code() => 6_000_000..14_000_000,
            _ => 0..100,
        };
        assert!(range.contains(&part.len()), "{code}: {} bytes", part.len());
    }
}
