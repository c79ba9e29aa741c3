use std::fmt;

use crate::ArticleNumber;

/// One of the 128 parts that the articles are spread over.
///
/// All keys of an article carry its partition as hash tag (`{17}:…`), so one script may touch them on Redis Cluster and
/// the load spreads over the shards; the partition also chooses the outbox and the Kafka partition.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(u8);

impl Partition {
    /// How many there are. Changing it would move every key: it is part of the stored format.
    pub const COUNT: u8 = 128;

    /// Where keys live that are of no article.
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

    /// The partition of that number, if there is one.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// Where an article lives: the top 7 bits of the id mixed by `SplitMix64`'s finaliser
    /// (<https://prng.di.unimi.it/splitmix64.c>), so that ids with equal low bits, as snowflake-like generators make
    /// them, spread as evenly as consecutive ones.
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
