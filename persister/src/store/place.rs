//! Which server has which partitions.

use contract::{Address, Partition};

/// A server's address and its partitions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// None for a single server, whose address is in the URL.
    pub(crate) address: Option<Address>,
    pub(crate) partitions: Vec<Partition>,
}
