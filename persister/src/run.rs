//! All jobs in one process, and how any process stops.

use std::{future::Future, io, time::Duration};

use anyhow::Context as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{config::Config, consume, relay, snapshot, status, store::Stores, trends, warm};

/// How long the batches in hand may take after SIGTERM; less than what Kubernetes, or a person, waits before SIGKILL.
const SHUTDOWN: Duration = Duration::from_secs(9);

/// SIGTERM and SIGINT ask every job to finish its batch in hand. One that hangs on a store is cut off: what it had not
/// confirmed is done again by the next process; it exits with `cut_off`.
pub(crate) fn stop_on_signal(stop: CancellationToken, cut_off: i32) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
        }
        info!("stopping: finishing what is in hand");
        stop.cancel();
        tokio::time::sleep(SHUTDOWN).await;
        warn!("not finished in {} s: stopping anyway, the rest is done again at the next start", SHUTDOWN.as_secs());
        std::process::exit(cut_off);
    });
    Ok(())
}

/// Warms, and measures the whole system meanwhile: one process of it is always there, and few are.
pub(crate) async fn warm(stores: Stores, measured: bool, stop: CancellationToken) -> anyhow::Result<()> {
    let measuring = async { if measured { status::measure(&stores, &stop).await } else { Ok(()) } };
    tokio::try_join!(warm::run(stores.clone(), stop.clone()), measuring)?;
    Ok(())
}

/// Runs every job until `stop`. One that fails for good ends the process, so that its supervisor sees it.
pub(crate) async fn all(stores: Stores, config: &Config, stop: CancellationToken) -> anyhow::Result<()> {
    let mut jobs = JoinSet::new();
    let mut start = |name: &'static str, job: Job| {
        jobs.spawn(async move { job.await.with_context(|| format!("{name} failed")) });
    };
    start("relay", Box::pin(relay::run(stores.clone(), stop.clone())));
    start("consume", Box::pin(consume::run(stores.clone(), config.consume, stop.clone())));
    start("snapshot", Box::pin(snapshot::run(stores.clone(), config.snapshot_seconds, stop.clone())));
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
