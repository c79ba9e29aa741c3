//! The outbox of MySQL: one relay at a time works on it, the others stand by.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{project, ship};
use crate::{
    backoff::pause,
    jobs::supervise::supervise,
    ledger::{lock::Lock, mysql_outbox::LOCK},
    store::Stores,
};

/// How often a standby relay checks whether the lock is free.
const STAND_BY: Duration = Duration::from_millis(100);

/// Works on the outbox until `stop`, whenever no other relay does.
pub(super) async fn run(stores: &Stores, stop: &CancellationToken) {
    Box::pin(supervise("relay_mysql", stop, || session(stores, stop))).await;
}

async fn session(stores: &Stores, stop: &CancellationToken) -> anyhow::Result<()> {
    let Some(mut lock) = Lock::take(&stores.mysql, LOCK).await? else {
        pause(STAND_BY, stop).await;
        return Ok(());
    };
    info!("working on MySQL's outbox");
    // The two tasks run independently: while Kafka is down, the projection goes on, and the other way round.
    let work = async { tokio::join!(project::run(stores, stop), ship::run(stores, stop)).0 };
    let outcome = tokio::select! {
        outcome = work => outcome,
        gone = lock.watch() => Err(gone.into()),
    };
    lock.release().await;
    outcome
}
