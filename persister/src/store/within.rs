//! Patience with a store.

use std::time::Duration;

use super::error::{Store, StoreError};

/// Waits for a store's answer; a store that gives none within that time has stalled.
pub(crate) async fn within<T, E: Into<StoreError>>(
    within: Duration,
    store: Store,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(within, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(StoreError::Stalled { store, within }),
    }
}
