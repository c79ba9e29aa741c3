//! The life of a job: session after session.

use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    backoff::{Backoff, LONGEST},
    metrics,
};

/// Runs a job's sessions one after the other until `stop`, over any outage. A session that fails is followed by the next
/// after a wait, which is the longer the more sessions in a row fail at once.
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
            // The stores were there for a while.
            backoff.reset();
        }
        metrics::interrupted(name, &error);
        warn!("{name} interrupted, will go on as soon as it can: {error:#}");
        backoff.wait(stop).await;
    }
}
