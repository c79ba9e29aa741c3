//! The heartbeat of a process that warms. While everything is well, nothing else shows that the process is there.

use std::{process, time::Duration};

use sqlx::MySqlPool;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    backoff::pause,
    ledger::warmers,
    store::{Store, StoreError, mysql::given_back, within},
};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// A heartbeat that MySQL does not answer within this time is dropped. Without MySQL nobody warms anything either.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sends heartbeats until `stop`, then signs off.
pub(super) async fn run(mysql: &MySqlPool, stop: &CancellationToken) {
    let warmer = format!("warm-{}-{:08x}", process::id(), rand::random::<u32>());
    while !stop.is_cancelled() {
        if let Err(error) = beat(mysql, &warmer).await {
            debug!("cannot write the sign of life of `warm`: {:#}", anyhow::Error::from(error));
        }
        pause(HEARTBEAT, stop).await;
    }
    // If signing off fails, the missing heartbeats show it soon.
    let _ = tokio::time::timeout(HEARTBEAT, warmers::forget(mysql, &warmer)).await;
}

async fn beat(mysql: &MySqlPool, warmer: &str) -> Result<(), StoreError> {
    let mut connection = mysql.acquire().await?;
    let outcome = within(PATIENCE, Store::Mysql, warmers::beat(&mut connection, warmer)).await;
    given_back(connection, outcome)
}
