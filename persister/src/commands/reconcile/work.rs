//! What a comparison works with.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::store::{Stores, servers::Servers};

/// The stores, and how patient to be with them.
pub(super) struct Work<'a> {
    pub(super) stores: &'a Stores,
    pub(super) redis: Servers,
    pub(super) patience: Duration,
    pub(super) stop: &'a CancellationToken,
}
