//! Brings a restarted Redis back into service: at once if it lost nothing, otherwise after a rebuild from MySQL.
//!
//! Every partition's marker names the server whose data was last known to be whole. A restarted, flushed, restored or
//! promoted server has another name, so it refuses to serve until this job declares it whole.

mod alive;
mod barrier;
mod decide;
mod looks;
mod rebuild;
mod report;
mod warm_up;

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::{
    looks::Looks,
    warm_up::{Turns, warm_up},
};
use super::{for_each_server::for_each_server, supervise::supervise};
use crate::{
    backoff::pause,
    ledger::{
        clock::time,
        markers::markers,
        redis_settings::{settings, wrong},
    },
    store::{Stores, place::Place},
};

const POLL: Duration = Duration::from_millis(250);

/// Runs until `stop`, over any outage. One process works; others stand by.
pub(crate) async fn run(stores: Stores, stop: CancellationToken) -> anyhow::Result<()> {
    let redis = stores.redis.clone();
    let working = stop.child_token();
    let turns = Arc::new(Turns::new());
    let work = async {
        let outcome =
            for_each_server(&redis, &stop, |place, stop| keep_warm(stores.clone(), place, Arc::clone(&turns), stop))
                .await;
        // A job that has died must not send heartbeats.
        working.cancel();
        outcome
    };
    tokio::join!(work, alive::run(&stores.mysql, &working)).0
}

async fn keep_warm(stores: Stores, place: Place, turns: Arc<Turns>, stop: CancellationToken) -> anyhow::Result<()> {
    supervise("warm", &stop, || watch(&stores, &place, &turns, &stop)).await;
    Ok(())
}

/// Checks a server's partitions again and again, and warms the cold ones. They stay fenced if that fails.
async fn watch(stores: &Stores, place: &Place, turns: &Turns, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut redis = stores.redis.connect_to(place).await?;
    let server = redis.name(place.partitions[0])?.to_owned();
    for wrong in wrong(&settings(&mut redis, stores.redis_durability).await?) {
        warn!(server, "Redis may lose what it has acknowledged: {wrong}");
    }
    let mut looks = Looks::new();
    while !stop.is_cancelled() {
        ensure!(redis.are_the_same().await?, "Redis was promoted, or demoted");
        let at = time(&mut redis).await?;
        let markers = markers(&mut redis, &place.partitions).await?;
        if looks.due() {
            looks.remember(&stores.mysql, &server, at, &markers).await;
        }
        if markers.iter().any(|(_, marker)| marker.server != server) {
            warm_up(stores, &mut redis, place, &server, turns, stop).await?;
        }
        pause(POLL, stop).await;
    }
    Ok(())
}
