//! Waiting for a condition rather than for a time.

use anyhow::{Result, anyhow};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);

/// Calls `probe` until it returns `Some`, for at most `limit`. An error of the probe ends the wait at once.
pub async fn wait_for<T>(what: &str, limit: Duration, mut probe: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = probe().await? {
            return Ok(value);
        }
        if start.elapsed() > limit {
            return Err(anyhow!("waited {} s for {what}: it did not happen", limit.as_secs()));
        }
        tokio::time::sleep(POLL).await;
    }
}
