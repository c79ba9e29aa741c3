//! The relay: ships what Redis and MySQL have acknowledged to Kafka, and forgets it there only after Kafka has it. It also
//! brings the projection in Redis up to what MySQL has acknowledged.

mod heartbeat;
mod late;
mod mysql;
mod outbox;
mod project;
mod ship;
mod source;
mod taken;

use std::{process, sync::Arc};

use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{heartbeat::Heartbeat, outbox::Relay, taken::Taken};
use super::for_each_server::for_each_server;
use crate::store::{Stores, place::Place};

/// Runs until `stop`. Any number of relays share the work.
pub(crate) async fn run(stores: Stores, stop: CancellationToken) -> anyhow::Result<()> {
    // Unique for each process, also where every container's process has the same number.
    let relay = format!("relay-{}-{:08x}", process::id(), rand::random::<u32>());
    info!(relay, "relaying");
    let redis = stores.redis.clone();
    let relaying = stop.child_token();
    let heartbeat = Arc::new(Heartbeat::default());
    // It outlives the work: the relay is signed off only when nothing is in flight any more.
    let drained = CancellationToken::new();
    let from_redis = async {
        let from_server = |place, stop| from_server(stores.clone(), relay.clone(), Arc::clone(&heartbeat), place, stop);
        let outcome = for_each_server(&redis, &stop, from_server).await;
        // Where Redis is relayed no more, the process ends rather than do half of its work.
        relaying.cancel();
        drained.cancel();
        outcome
    };
    tokio::join!(from_redis, mysql::run(&stores, &relaying), heartbeat.run(&stores.mysql, &drained)).0
}

/// Relays the outboxes of one server.
async fn from_server(
    stores: Stores,
    relay: String,
    heartbeat: Arc<Heartbeat>,
    place: Place,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let name = place.address.as_ref().map_or(relay.clone(), |at| format!("{relay}@{}:{}", at.host, at.port));
    let taken = Arc::new(Taken::default());
    // A row for each server: what a relay holds of one is nothing to those who wait for another.
    let row = heartbeat.add(&name, &place, &taken);
    outbox::run(&Relay { stores: &stores, place: &place, name: &name, row: &row, taken: &taken }, &stop).await;
    heartbeat.drained(&row);
    Ok(())
}
