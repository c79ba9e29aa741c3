//! All jobs in one process.

use std::future::Future;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{consume, measure::measure, relay, snapshot, trends, warm};
use crate::{config::Config, store::Stores};

/// Warms, and measures the whole system. There is always one such process, and never many.
pub(crate) async fn warm(stores: Stores, measured: bool, stop: CancellationToken) -> anyhow::Result<()> {
    let measuring = async { if measured { measure(&stores, &stop).await } else { Ok(()) } };
    tokio::try_join!(warm::run(stores.clone(), stop.clone()), measuring)?;
    Ok(())
}

/// Runs every job until `stop`. If one fails for good, the process ends, so that its supervisor notices.
pub(crate) async fn all(stores: Stores, config: &Config, stop: CancellationToken) -> anyhow::Result<()> {
    let mut jobs = JoinSet::new();
    let mut start = |name: &'static str, job: Job| {
        jobs.spawn(async move { job.await.with_context(|| format!("{name} failed")) });
    };
    start("relay", Box::pin(relay::run(stores.clone(), stop.clone())));
    start("consume", Box::pin(consume::run(stores.clone(), config.consume, stop.clone())));
    start(
        "snapshot",
        Box::pin(snapshot::run(stores.clone(), config.snapshot, config.consume.read_history_days, stop.clone())),
    );
    start("trends", Box::pin(trends::run(stores.clone(), stop.clone())));
    start("warm", Box::pin(warm(stores, config.metrics_address.is_some(), stop.clone())));

    let mut outcome = Ok(());
    while let Some(ended) = jobs.join_next().await {
        let ended = ended.context("a job panicked").flatten();
        if ended.is_err() && outcome.is_ok() {
            outcome = ended;
            stop.cancel();
        }
    }
    outcome
}

type Job = std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;
