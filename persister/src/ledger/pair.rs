//! A user and an article.

use std::collections::BTreeMap;

use contract::{ArticleId, Partition, UserId};

/// A user and an article, in the order of MySQL's primary keys.
pub(crate) type Pair = (UserId, ArticleId);

/// The pairs of each partition, in their order.
pub(crate) fn by_partition<'a>(pairs: impl IntoIterator<Item = &'a Pair>) -> BTreeMap<Partition, Vec<Pair>> {
    let mut by_partition: BTreeMap<Partition, Vec<Pair>> = BTreeMap::new();
    for pair in pairs {
        by_partition.entry(Partition::of(pair.1)).or_default().push(*pair);
    }
    by_partition
}
