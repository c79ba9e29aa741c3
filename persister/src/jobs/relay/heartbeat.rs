//! The relay's row in MySQL, which tells a rebuild whether the relay may still hold entries.

use std::time::{Duration, Instant};

use sqlx::MySqlPool;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::taken::Taken;
use crate::{
    backoff::pause,
    ledger::{
        clock::mysql_time,
        relay_session::{self, Session},
    },
    store::{Store, StoreError, place::Place, within},
};

const HEARTBEAT: Duration = Duration::from_millis(400);
/// A heartbeat that MySQL does not answer is given up; the relay goes on without.
const PATIENCE: Duration = Duration::from_secs(3);

/// Writes the relay's row until `drained`, then removes it.
pub(super) async fn run(mysql: &MySqlPool, relay: &str, place: &Place, taken: &Taken, drained: &CancellationToken) {
    let mut failing = false;
    while !drained.is_cancelled() {
        match within(PATIENCE, Store::Mysql, beat(mysql, relay, place, taken)).await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                let error = anyhow::Error::from(error);
                warn!("cannot write the relay's heartbeat; a Redis that restarts is warmed later for it: {error:#}");
            }
            Err(_) => (),
        }
        pause(HEARTBEAT, drained).await;
    }
    // If this fails, a rebuild finds the row silent and waits a little longer.
    let _ = tokio::time::timeout(Duration::from_secs(1), relay_session::forget(mysql, relay)).await;
}

/// Writes what [`Taken`] knows. Call it before the first read from a server too, so that a rebuild knows of the relay
/// before the relay holds anything.
pub(super) async fn beat(mysql: &MySqlPool, relay: &str, place: &Place, taken: &Taken) -> Result<(), StoreError> {
    // The time first: entries taken between the two questions must not count as delivered.
    let now = mysql_time(mysql).await?;
    let (run_id, oldest) = taken.oldest(Instant::now());
    let session = Session { relay, partitions: &place.partitions, run_id: &run_id, now: &now, oldest };
    relay_session::beat(mysql, &session).await
}
