//! Pairs of user and article, by partition.

use std::collections::BTreeMap;

use contract::{ArticleNumber, Kind, Pair, Partition, Truth};

use super::comparison::Counter;

/// Groups values that have an article by partition, in order.
pub(crate) fn by_partition<'a, T: Of>(all: impl IntoIterator<Item = &'a T>) -> BTreeMap<Partition, Vec<T>> {
    let mut by_partition: BTreeMap<Partition, Vec<T>> = BTreeMap::new();
    for one in all {
        by_partition.entry(Partition::of(one.article())).or_default().push(*one);
    }
    by_partition
}

/// A value that has an article.
pub(crate) trait Of: Copy + 'static {
    fn article(&self) -> ArticleNumber;
}

impl Of for Pair {
    fn article(&self) -> ArticleNumber {
        self.0
    }
}

impl Of for Counter {
    fn article(&self) -> ArticleNumber {
        self.0
    }
}

/// The codes of the kinds that a store decides, as a list for SQL.
pub(super) fn codes(truth: Truth) -> String {
    Kind::of(truth).map(|kind| kind.code().to_string()).collect::<Vec<_>>().join(",")
}
