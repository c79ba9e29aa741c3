//! Which server has which partitions.

use contract::{Address, Partition};

/// A server's address, and its share of the partitions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// None of the only server, which is where the URL says.
    pub(crate) address: Option<Address>,
    pub(crate) partitions: Vec<Partition>,
}
