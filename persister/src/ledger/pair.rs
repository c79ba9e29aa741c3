//! Pairs of user and article, by where they are kept.

use std::collections::BTreeMap;

use contract::{Kind, Pair, Partition, Truth};

/// The pairs of each partition, in their order.
pub(crate) fn by_partition<'a>(pairs: impl IntoIterator<Item = &'a Pair>) -> BTreeMap<Partition, Vec<Pair>> {
    let mut by_partition: BTreeMap<Partition, Vec<Pair>> = BTreeMap::new();
    for pair in pairs {
        by_partition.entry(Partition::of(pair.0)).or_default().push(*pair);
    }
    by_partition
}

/// The codes of the kinds that a store decides, for a list in SQL.
pub(super) fn codes(truth: Truth) -> String {
    Kind::of(truth).map(|kind| kind.code().to_string()).collect::<Vec<_>>().join(",")
}
