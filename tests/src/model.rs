use std::collections::{BTreeMap, BTreeSet};

/// A user and an article.
pub type Pair = (i64, i64);

/// What clients were told: for a user and an article, whether it is liked, whether it is collected.
#[derive(Debug, Default, Clone)]
pub struct Model {
    /// Likes, and likes taken back.
    pub likes: BTreeMap<Pair, bool>,
    /// The same of collects.
    pub collects: BTreeMap<Pair, bool>,
}

impl Model {
    /// The pairs that stand.
    #[must_use]
    pub fn standing(pairs: &BTreeMap<Pair, bool>) -> BTreeSet<Pair> {
        pairs.iter().filter(|(_, on)| **on).map(|(pair, _)| *pair).collect()
    }

    /// Adds what another client was told about pairs of its own.
    pub fn extend(&mut self, other: Self) {
        self.likes.extend(other.likes);
        self.collects.extend(other.collects);
    }
}
