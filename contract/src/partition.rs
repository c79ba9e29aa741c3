use std::fmt;

use crate::ArticleNumber;

/// One of the 128 parts over which the articles are spread.
///
/// All keys of an article have its partition as their hash tag (`{17}:…`). So one script may use them on Redis Cluster,
/// and load spreads over the shards. The partition also determines the outbox and the Kafka partition.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(u8);

impl Partition {
    /// The number of partitions. It is part of the stored format: another number would move every key.
    pub const COUNT: u8 = 128;

    /// The partition of keys that belong to no article.
    pub const FIRST: Self = Self(0);

    /// Every partition, in order.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + Clone {
        (0..Self::COUNT).map(Self)
    }

    /// The partition's number, from 0 to 127.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The partition with that number, if there is one.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// An article's partition: the top 7 bits of its number after `SplitMix64`'s finaliser
    /// (<https://prng.di.unimi.it/splitmix64.c>). Ids with equal low bits, as snowflake-like generators make them, then
    /// spread as evenly as consecutive ids.
    #[must_use]
    pub const fn of(article: ArticleNumber) -> Self {
        let mut mixed = article.get().cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        Self((mixed >> 57) as u8)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: i64) -> u8 {
        Partition::of(ArticleNumber::try_from(id).expect("positive")).get()
    }

    #[test]
    fn the_stored_format_does_not_move() {
        assert_eq!([of(1), of(2), of(42), of(1 << 40), of(i64::MAX)], [72, 75, 94, 15, 21]);
    }

    #[test]
    fn consecutive_and_snowflake_ids_spread_evenly() {
        for shift in [0, 12, 22] {
            let mut load = [0_u32; Partition::COUNT as usize];
            for id in 1..=128_000_i64 {
                load[usize::from(of(id << shift))] += 1;
            }
            let (least, most) = (load.iter().min(), load.iter().max());
            assert!(least > Some(&850) && most < Some(&1150), "shift {shift}: {least:?} to {most:?}");
        }
    }
}
