//! The sign of life of a process that warms: while all is well nothing else tells it from one that is not there.

use std::{process, time::Duration};

use sqlx::MySqlPool;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    backoff::pause,
    ledger::warmers,
    store::{Store, within},
};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// A heartbeat that MySQL does not answer is given up; without MySQL nothing is warmed either.
const PATIENCE: Duration = Duration::from_secs(3);

/// Says it until `stop`, then takes it back.
pub(super) async fn run(mysql: &MySqlPool, stop: &CancellationToken) {
    let warmer = format!("warm-{}-{:08x}", process::id(), rand::random::<u32>());
    while !stop.is_cancelled() {
        if let Err(error) = within(PATIENCE, Store::Mysql, warmers::beat(mysql, &warmer)).await {
            debug!("cannot write the sign of life of `warm`: {:#}", anyhow::Error::from(error));
        }
        pause(HEARTBEAT, stop).await;
    }
    // If this fails, it is silent soon.
    let _ = tokio::time::timeout(HEARTBEAT, warmers::forget(mysql, &warmer)).await;
}
