//! The relay ships changes that Redis and MySQL have acknowledged to Kafka, and removes them from the outboxes once
//! Kafka has them. It also updates the projection in Redis from MySQL's outbox.

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
    // The random part keeps the name unique where every container's process has the same number.
    let relay = format!("relay-{}-{:08x}", process::id(), rand::random::<u32>());
    info!(relay, "relaying");
    let redis = stores.redis.clone();
    let relaying = stop.child_token();
    let heartbeat = Arc::new(Heartbeat::default());
    // The heartbeat outlives the work: the relay signs off only when nothing is in flight.
    let drained = CancellationToken::new();
    let from_redis = async {
        let from_server = |place, stop| from_server(stores.clone(), relay.clone(), Arc::clone(&heartbeat), place, stop);
        let outcome = for_each_server(&redis, &stop, from_server).await;
        // If the relay of Redis has ended, end the whole process instead of running half of it.
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
    // Each server has its own row, so that a rebuild of one server does not wait for entries of another.
    let row = heartbeat.add(&name, &place, &taken);
    outbox::run(&Relay { stores: &stores, place: &place, name: &name, row: &row, taken: &taken }, &stop).await;
    heartbeat.drained(&row);
    Ok(())
}
