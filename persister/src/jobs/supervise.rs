//! Runs a job as one session after another.

use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    backoff::{Backoff, LONGEST},
    metrics,
};

/// Runs a job's sessions in turn until `stop`, over any outage. After a failed session the next one waits, longer with
/// each session in a row that fails at once.
pub(super) async fn supervise<F>(name: &'static str, stop: &CancellationToken, session: impl Fn() -> F)
where
    F: Future<Output = anyhow::Result<()>>,
{
    let mut backoff = Backoff::new();
    while !stop.is_cancelled() {
        let began = Instant::now();
        let Err(error) = session().await else {
            backoff.reset();
            continue;
        };
        if began.elapsed() > LONGEST {
            // The session lasted for a while, so the stores were there.
            backoff.reset();
        }
        metrics::interrupted(name, &error);
        warn!("{name} interrupted, will go on as soon as it can: {error:#}");
        backoff.wait(stop).await;
    }
}
