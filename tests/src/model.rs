use std::collections::{BTreeMap, BTreeSet};

use contract::Kind;

/// A user and an article.
pub type Pair = (i64, i64);

/// Which kinds are on or off for each user and article, by the answers that clients got.
#[derive(Debug, Default, Clone)]
pub struct Model(BTreeMap<(Kind, Pair), bool>);

impl Model {
    /// Records that an answer said on or off. If the kind is on now, the kinds that it excludes are off.
    pub fn switch(&mut self, kind: Kind, pair: Pair, on: bool) {
        if on {
            self.0.extend(kind.excludes().iter().map(|other| ((*other, pair), false)));
        }
        self.0.insert((kind, pair), on);
    }

    /// Whether the kind is on. A kind that nobody ever switched is off.
    #[must_use]
    pub fn is_on(&self, kind: Kind, pair: Pair) -> bool {
        self.0.get(&(kind, pair)).copied().unwrap_or_default()
    }

    /// What a request to switch the kind changes, in the order of the events. Empty if the kind is in that state already.
    #[must_use]
    pub fn changes(&self, kind: Kind, pair: Pair, on: bool) -> Vec<(Kind, bool)> {
        if self.is_on(kind, pair) == on {
            return vec![];
        }
        let excluded = kind.excludes().iter().filter(|other| on && self.is_on(**other, pair));
        excluded.map(|other| (*other, false)).chain([(kind, on)]).collect()
    }

    /// The pairs that have the kind on.
    #[must_use]
    pub fn standing(&self, kind: Kind) -> BTreeSet<Pair> {
        self.states().filter(|(of, _, on)| *of == kind && *on).map(|(_, pair, _)| pair).collect()
    }

    /// Every state that clients were answered, on or off.
    pub fn states(&self) -> impl Iterator<Item = (Kind, Pair, bool)> {
        self.0.iter().map(|((kind, pair), on)| (*kind, *pair, *on))
    }

    /// Adds the model of another client, which has pairs of its own.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}
