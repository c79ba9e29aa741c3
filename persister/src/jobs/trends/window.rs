//! Counting within a window of time in bounded memory.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use contract::ArticleNumber;
use serde::{Deserialize, Serialize};

/// A window of time that ends now. It consists of buckets: the one being filled and the whole ones before it. So the
/// window is never shorter than its name says, and at most one bucket longer.
#[derive(Debug)]
pub(super) struct Period {
    /// The name in the table `ranking` and over HTTP.
    pub(super) name: &'static str,
    /// The length of a bucket in milliseconds.
    bucket_ms: u64,
    /// The number of whole buckets.
    whole: u64,
    /// The number of articles kept in a bucket that has more than twice as many.
    most: usize,
}

pub(super) const PERIODS: [Period; 3] = [
    Period { name: "hour", bucket_ms: 60_000, whole: 60, most: 1000 },
    Period { name: "day", bucket_ms: 3_600_000, whole: 24, most: 4000 },
    Period { name: "week", bucket_ms: 43_200_000, whole: 14, most: 4000 },
];

impl Period {
    /// Whether a time is still in the window.
    pub(super) const fn holds(&self, at_ms: u64, now_ms: u64) -> bool {
        at_ms / self.bucket_ms >= self.oldest(now_ms)
    }

    const fn oldest(&self, now_ms: u64) -> u64 {
        (now_ms / self.bucket_ms).saturating_sub(self.whole)
    }
}

/// The change of a counter of each article within a period, by bucket.
///
/// Exact as long as no bucket has more than twice [`Period::most`] different articles. A bucket that has more keeps the
/// `most` articles that changed most, gains and losses alike. An article that was never dropped stays exact. An article
/// that was dropped is off by what it had then, which is at most the least that was kept. A bucket holds at most twice
/// `most` articles, so the three windows hold 122,000, 200,000 and 120,000 entries of 16 bytes, together about 16 MB.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Window(BTreeMap<u64, HashMap<ArticleNumber, i64>>);

impl Window {
    /// Adds to an article's count if the time is in the window. A time in the future counts as now.
    pub(super) fn add(&mut self, period: &Period, article: ArticleNumber, change: i64, at_ms: u64, now_ms: u64) {
        let at_ms = at_ms.min(now_ms);
        if !period.holds(at_ms, now_ms) {
            return;
        }
        let bucket = self.0.entry(at_ms / period.bucket_ms).or_default();
        let count = bucket.entry(article).or_default();
        *count += change;
        if *count == 0 {
            bucket.remove(&article);
        }
        if bucket.len() > 2 * period.most {
            keep_greatest(bucket, period.most);
        }
        self.move_to(period, now_ms);
    }

    /// Forgets what has left the window, and the oldest bucket if the clock was set back.
    pub(super) fn move_to(&mut self, period: &Period, now_ms: u64) {
        while let Some((first, _)) = self.0.first_key_value()
            && (*first < period.oldest(now_ms) || self.0.len() as u64 > period.whole + 1)
        {
            self.0.pop_first();
        }
    }

    /// The articles that gained most, best first, at most so many. Equal ones are ordered by id. `counts` says how much of an
    /// article's gain counts.
    pub(super) fn top(&self, count: usize, counts: impl Fn(ArticleNumber, i64) -> i64) -> Vec<(ArticleNumber, i64)> {
        let mut sums: HashMap<ArticleNumber, i64> = HashMap::new();
        for (article, change) in self.0.values().flatten() {
            *sums.entry(*article).or_default() += change;
        }
        let sums = sums.into_iter().map(|(article, gain)| (article, counts(article, gain)));
        let mut gained: Vec<_> = sums.filter(|(_, gain)| *gain > 0).collect();
        gained.sort_unstable_by_key(|(article, gain)| (Reverse(*gain), *article));
        gained.truncate(count);
        gained
    }
}

fn keep_greatest(bucket: &mut HashMap<ArticleNumber, i64>, most: usize) {
    let mut all: Vec<_> = bucket.drain().collect();
    all.select_nth_unstable_by_key(most, |(article, change)| (Reverse(change.unsigned_abs()), *article));
    all.truncate(most);
    bucket.extend(all);
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const NOW: u64 = 1_763_800_000_000;
    const HOUR: &Period = &PERIODS[0];
    const SMALL: &Period = &Period { name: "small", bucket_ms: 1000, whole: 3, most: 5 };

    fn id(number: i64) -> ArticleNumber {
        number.try_into().expect("positive")
    }

    /// All of a gain counts.
    fn all(_: ArticleNumber, gained: i64) -> i64 {
        gained
    }

    /// Changes of a few articles: which, by how much, and how many milliseconds ago.
    fn changes(longest: u64) -> impl Strategy<Value = Vec<(i64, i64, u64)>> {
        vec((1..20_i64, prop_oneof![Just(1_i64), Just(-1)], 0..longest), 0..200)
    }

    /// The expected result, computed without buckets.
    fn naive(changes: &[(i64, i64, u64)], period: &Period, now: u64) -> Vec<(ArticleNumber, i64)> {
        let mut sums: BTreeMap<ArticleNumber, i64> = BTreeMap::new();
        for (article, change, ago) in changes {
            if period.holds(NOW - ago, now) {
                *sums.entry(id(*article)).or_default() += change;
            }
        }
        let mut gained: Vec<_> = sums.into_iter().filter(|(_, gain)| *gain > 0).collect();
        gained.sort_by_key(|(_, gain)| Reverse(*gain));
        gained
    }

    proptest! {
        #[test]
        fn in_any_order_a_window_is_the_sum_of_what_is_in_it(
            (changes, shuffled) in changes(7_200_000).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            later in 0..7_200_000_u64,
        ) {
            for period in &PERIODS {
                let (mut window, mut other) = (Window::default(), Window::default());
                for ((article, change, ago), into) in
                    changes.iter().map(|one| (one, true)).chain(shuffled.iter().map(|one| (one, false)))
                {
                    let window = if into { &mut window } else { &mut other };
                    window.add(period, id(*article), *change, NOW - ago, NOW);
                }
                prop_assert_eq!(&window, &other);
                prop_assert_eq!(window.top(usize::MAX, all), naive(&changes, period, NOW));
                window.move_to(period, NOW + later);
                prop_assert_eq!(window.top(usize::MAX, all), naive(&changes, period, NOW + later));
            }
        }

        #[test]
        fn whatever_comes_and_whatever_the_clock_does_a_window_stays_small(
            all in vec((1..=i64::MAX, -3..=3_i64, any::<u64>(), any::<u64>()), 0..400),
        ) {
            let mut window = Window::default();
            for (article, change, at, now) in all {
                window.add(SMALL, id(article), change, at % 20_000, now % 20_000);
                prop_assert!(window.0.len() as u64 <= SMALL.whole + 1);
                prop_assert!(window.0.values().all(|bucket| bucket.len() <= 2 * SMALL.most));
            }
        }
    }

    #[test]
    fn among_very_many_articles_those_that_gain_most_are_exact() {
        let mut window = Window::default();
        for newcomer in 100..5000 {
            // Five articles gain with each new one, and one loses.
            for article in 1..=4 {
                window.add(SMALL, id(article), 1, NOW, NOW);
            }
            window.add(SMALL, id(5), -2, NOW, NOW);
            window.add(SMALL, id(newcomer), 1, NOW, NOW);
        }
        assert_eq!(window.top(4, all), [1, 2, 3, 4].map(|article| (id(article), 4900)));
        assert_eq!(window.0.values().next().and_then(|bucket| bucket.get(&id(5))), Some(&-9800));
    }

    #[test]
    fn an_article_whose_gain_does_not_count_leaves_its_place_to_the_next() {
        let mut window = Window::default();
        for (article, gain) in [(1, 9), (2, 8), (3, 7), (4, 6)] {
            window.add(SMALL, id(article), gain, NOW, NOW);
        }
        let but = |article, gained: i64| if article == id(1) { 0 } else { gained.min(7) };
        assert_eq!(window.top(2, but), [(id(2), 7), (id(3), 7)]);
    }

    #[test]
    fn what_is_ahead_of_our_clock_is_now_and_what_is_too_old_is_nothing() {
        let mut window = Window::default();
        window.add(HOUR, id(1), 1, NOW + 86_400_000, NOW);
        window.add(HOUR, id(2), 1, NOW - 3_600_000, NOW);
        window.add(HOUR, id(3), 1, NOW - 3_660_000 - 60_000, NOW);
        assert_eq!(window.top(9, all), [(id(1), 1), (id(2), 1)]);
        window.move_to(HOUR, NOW + 61 * 60_000);
        assert_eq!(window, Window::default());
    }
}
