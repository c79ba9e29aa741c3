//! How far each outbox was at some moment.

use std::collections::BTreeMap;

use contract::{Partition, Version};

use crate::store::{Store, StoreError};

/// The last id of each outbox concerned.
#[derive(Debug, Default)]
pub(crate) struct Marks(BTreeMap<Partition, Version>);

impl Marks {
    /// Adds a mark, or raises the one that is there.
    pub(crate) fn add(&mut self, partition: Partition, last: Version) {
        let mark = self.0.entry(partition).or_default();
        *mark = last.max(*mark);
    }

    /// The same of an id as a script answers it.
    pub(super) fn add_text(&mut self, partition: Partition, last: &str) -> Result<(), StoreError> {
        self.add(partition, version(last)?);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Partition, Version)> {
        self.0.iter().map(|(partition, version)| (*partition, *version))
    }
}

/// The last id of an outbox, as a script answers it.
pub(super) fn version(last: &str) -> Result<Version, StoreError> {
    last.parse().map_err(|_| StoreError::Answer(Store::Redis, format!("{last} is no id of an entry")))
}
