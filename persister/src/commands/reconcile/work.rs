//! What a comparison works with.

use std::time::Duration;

use contract::Kind;
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::settle::Patience,
    store::{Stores, servers::Servers},
};

/// The stores, the kinds to compare, and how long to wait.
pub(super) struct Work<'a> {
    pub(super) stores: &'a Stores,
    pub(super) redis: Servers,
    pub(super) kinds: Vec<Kind>,
    pub(super) wait: Duration,
    pub(super) stop: &'a CancellationToken,
}

impl<'a> Work<'a> {
    /// The patience for one wait that begins now.
    pub(super) fn patience(&self) -> Patience<'a> {
        Patience::new(self.wait, self.stop)
    }
}
