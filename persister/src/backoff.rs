//! Waiting longer after each failure in a row.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
pub(crate) const LONGEST: Duration = Duration::from_secs(2);

/// Doubles from 100 ms to 2 s, so that a restarted store is found soon, and a store that is down is not hammered.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self(FIRST)
    }

    /// Call it after a success: the next failure waits the shortest time again.
    pub(crate) const fn reset(&mut self) {
        self.0 = FIRST;
    }

    /// Waits, or returns at once if the process has to stop. A random part keeps processes from retrying in step.
    pub(crate) async fn wait(&mut self, stop: &CancellationToken) {
        let wait = self.0.mul_f64(rand::random_range(0.5..1.0));
        self.0 = (self.0 * 2).min(LONGEST);
        pause(wait, stop).await;
    }
}

/// Waits, or returns early if the process has to stop.
pub(crate) async fn pause(wait: Duration, stop: &CancellationToken) {
    let _ = tokio::time::timeout(wait, stop.cancelled()).await;
}
