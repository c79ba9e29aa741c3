//! The positions of outboxes at some moment.

use std::collections::BTreeMap;

use contract::{Partition, Version};

/// The last id of each outbox.
#[derive(Debug, Default)]
pub(crate) struct Marks(BTreeMap<Partition, Version>);

impl Marks {
    /// Adds a mark, or raises the existing one.
    pub(crate) fn add(&mut self, partition: Partition, last: Version) {
        let mark = self.0.entry(partition).or_default();
        *mark = last.max(*mark);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Partition, Version)> {
        self.0.iter().map(|(partition, version)| (*partition, *version))
    }
}
