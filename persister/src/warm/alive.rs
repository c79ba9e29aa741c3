//! The sign of life of a process that warms: while all is well nothing else tells it from one that is not there.

use std::{process, time::Duration};

use sqlx::{MySqlPool, query};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::backoff::pause;

const HEARTBEAT: Duration = Duration::from_secs(1);
/// A heartbeat that MySQL does not answer is given up; without MySQL nothing is warmed either.
const PATIENCE: Duration = Duration::from_secs(3);

/// Says it until `stop`, then takes it back.
pub(super) async fn run(mysql: &MySqlPool, stop: &CancellationToken) {
    let warmer = format!("warm-{}-{:08x}", process::id(), rand::random::<u32>());
    while !stop.is_cancelled() {
        let outcome = tokio::time::timeout(PATIENCE, beat(mysql, &warmer)).await;
        if let Err(error) = outcome.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            debug!("MySQL does not take the sign of life of `warm`: {error}");
        }
        pause(HEARTBEAT, stop).await;
    }
    let forget = query("DELETE FROM warmer WHERE warmer_id = ?").bind(&warmer).execute(mysql);
    // If this fails, it is silent soon.
    let _ = tokio::time::timeout(HEARTBEAT, forget).await;
}

/// And forgets those that have long been silent.
async fn beat(mysql: &MySqlPool, warmer: &str) -> sqlx::Result<()> {
    let write = "INSERT INTO warmer (warmer_id, seen_at) VALUES (?, UTC_TIMESTAMP(3))
                 ON DUPLICATE KEY UPDATE seen_at = VALUES(seen_at)";
    query(write).bind(warmer).execute(mysql).await?;
    query("DELETE FROM warmer WHERE seen_at < UTC_TIMESTAMP(3) - INTERVAL 1 HOUR").execute(mysql).await?;
    Ok(())
}
