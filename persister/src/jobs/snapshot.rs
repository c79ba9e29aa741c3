//! Saves page views, visitors and reads from Redis in MySQL, so that a rebuild can restore them.
//!
//! Kinds need no snapshot, because each change is an event. Views are too many for events. If Redis is lost whole, the
//! views of the last seconds are lost.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::supervise::supervise;
use crate::{
    backoff::pause,
    config::SnapshotOptions,
    ledger::{history, snapshot, user_reads},
    metrics,
    store::{Store, StoreError, Stores, mysql::given_back, place::Place, within},
};

/// Statements that take this long are waiting for a stalled server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs until `stop`, over any outage. What a failed snapshot did not save stays listed. Any number may run at once.
pub(crate) async fn run(
    stores: Stores,
    options: SnapshotOptions,
    read_days: u32,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    supervise("snapshot", &stop, || session(&stores, (options, read_days), &stop)).await;
    Ok(())
}

/// One snapshot, and the pause until the next.
async fn session(
    stores: &Stores,
    (options, read_days): (SnapshotOptions, u32),
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let outcome = save_all(stores, stop).await;
    let took = began.elapsed();
    // What is old goes also while a server of Redis is down.
    forget_old(stores, (options, read_days)).await?;
    let saved = outcome?;
    debug!(saved, "snapshot");
    metrics::SNAPSHOT_SECONDS.observe_time(took);
    metrics::SNAPSHOT_ARTICLES.add(saved, &[]);
    pause(Duration::from_secs(options.snapshot_seconds), stop).await;
    Ok(())
}

async fn forget_old(stores: &Stores, (options, read_days): (SnapshotOptions, u32)) -> Result<(), StoreError> {
    let mut connection = stores.mysql.acquire().await?;
    let forget = async {
        user_reads::forget_old(&mut *connection, read_days).await?;
        history::forget_old(&mut *connection, options.history_days).await
    };
    let outcome = within(PATIENCE, Store::Mysql, forget).await;
    given_back(connection, outcome)
}

/// Saves what changed since the last snapshot, server by server. A server that is down delays no other.
async fn save_all(stores: &Stores, stop: &CancellationToken) -> Result<u64, StoreError> {
    let began = Instant::now();
    let (mut saved, mut failed) = (0, None);
    for place in stores.redis.places().await? {
        match save_one(stores, &place, stop).await {
            Ok(count) => saved += count,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    snapshot::remember(&stores.mysql, began.elapsed(), saved).await?;
    Ok(saved)
}

/// Works in rounds over all partitions of a server. Cold partitions return nothing.
async fn save_one(stores: &Stores, place: &Place, stop: &CancellationToken) -> Result<u64, StoreError> {
    let mut redis = stores.redis.connect_to(place).await?;
    let mut saved = 0;
    let mut partitions = place.partitions.clone();
    while !partitions.is_empty() && !stop.is_cancelled() {
        let mut taken = snapshot::take(&mut redis, &partitions, snapshot::TOGETHER).await?;
        taken.retain(|(_, articles)| !articles.is_empty());
        // A partition that returned fewer articles than asked for is done. Later changes belong to the next snapshot.
        partitions = taken.iter().filter(|(_, of)| of.len() >= snapshot::TOGETHER).map(|(p, _)| *p).collect();
        for some in taken.chunks(snapshot::PARTITIONS) {
            saved += snapshot::save(&stores.mysql, &mut redis, some).await?;
        }
    }
    Ok(saved)
}
