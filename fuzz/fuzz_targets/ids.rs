//! Ids and versions, which stand in paths, queries, tokens, events and streams.
#![no_main]

use contract::{ArticleNumber, Partition, UserNumber, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, &str)| {
    let (one, other) = texts;
    if let Ok(article) = one.parse::<ArticleNumber>() {
        assert!(article.get() > 0);
        assert_eq!(article.to_string(), one, "an id has one spelling");
        assert_eq!(one.parse().map(UserNumber::get), Ok(article.get()), "users' ids are spelled as articles'");
        let json = serde_json::to_string(&article).expect("serialises");
        assert_eq!(serde_json::from_str::<ArticleNumber>(&json).ok(), Some(article));
        assert!(Partition::of(article).get() < Partition::COUNT);
    }
    if let Ok(version) = one.parse::<Version>() {
        assert_eq!(version.to_string().parse(), Ok(version));
        let most = i64::MAX.cast_unsigned();
        assert!(version.ms <= most && version.seq <= most, "MySQL keeps both halves as BIGINT");
        if let Ok(later) = other.parse::<Version>() {
            assert_eq!(version.cmp(&later), halves(one).cmp(&halves(other)), "versions are ordered by their numbers");
        }
    }
});

/// Each half by its length and its digits, without leading zeros: the order of the numbers, found without reading them.
fn halves(version: &str) -> Vec<(usize, &str)> {
    version.split('-').map(|half| half.trim_start_matches('0')).map(|half| (half.len(), half)).collect()
}
