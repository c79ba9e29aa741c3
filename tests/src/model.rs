use std::collections::{BTreeMap, BTreeSet};

use contract::Kind;

/// A user and an article.
pub type Pair = (i64, i64);

/// What clients were told is on or off, of each kind, user and article.
#[derive(Debug, Default, Clone)]
pub struct Model(BTreeMap<(Kind, Pair), bool>);

impl Model {
    /// A client was told that it is on now, or off. What it excludes is off where it is on.
    pub fn switch(&mut self, kind: Kind, pair: Pair, on: bool) {
        if on {
            self.0.extend(kind.excludes().iter().map(|other| ((*other, pair), false)));
        }
        self.0.insert((kind, pair), on);
    }

    /// What nobody ever touched is off.
    #[must_use]
    pub fn is_on(&self, kind: Kind, pair: Pair) -> bool {
        self.0.get(&(kind, pair)).copied().unwrap_or_default()
    }

    /// What a request to switch it changes, in the order of the events: none if it is so already.
    #[must_use]
    pub fn changes(&self, kind: Kind, pair: Pair, on: bool) -> Vec<(Kind, bool)> {
        if self.is_on(kind, pair) == on {
            return vec![];
        }
        let excluded = kind.excludes().iter().filter(|other| on && self.is_on(**other, pair));
        excluded.map(|other| (*other, false)).chain([(kind, on)]).collect()
    }

    /// The pairs that have it on.
    #[must_use]
    pub fn standing(&self, kind: Kind) -> BTreeSet<Pair> {
        self.states().filter(|(of, _, on)| *of == kind && *on).map(|(_, pair, _)| pair).collect()
    }

    /// Everything that clients were told of, on or off.
    pub fn states(&self) -> impl Iterator<Item = (Kind, Pair, bool)> {
        self.0.iter().map(|((kind, pair), on)| (*kind, *pair, *on))
    }

    /// Adds what another client was told about pairs of its own.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}
