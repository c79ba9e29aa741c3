//! The relay: ships what Redis and MySQL have acknowledged to Kafka, and forgets it there only after Kafka has it. It also
//! brings the projection in Redis up to what MySQL has acknowledged.

mod heartbeat;
mod mysql;
mod outbox;
mod project;
mod ship;
mod source;
mod taken;

use std::{process, sync::Arc};

use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{outbox::Relay, taken::Taken};
use super::for_each_server::for_each_server;
use crate::store::{Stores, place::Place};

/// Runs until `stop`. Any number of relays share the work.
pub(crate) async fn run(stores: Stores, stop: CancellationToken) -> anyhow::Result<()> {
    // Unique for each process, also where every container's process has the same number.
    let relay = format!("relay-{}-{:08x}", process::id(), rand::random::<u32>());
    info!(relay, "relaying");
    let redis = stores.redis.clone();
    let relaying = stop.child_token();
    let from_redis = async {
        let from_server = |place, stop| from_server(stores.clone(), relay.clone(), place, stop);
        let outcome = for_each_server(&redis, &stop, from_server).await;
        // Where Redis is relayed no more, the process ends rather than do half of its work.
        relaying.cancel();
        outcome
    };
    tokio::join!(from_redis, mysql::run(&stores, &relaying)).0
}

/// Relays the outboxes of one server.
async fn from_server(stores: Stores, relay: String, place: Place, stop: CancellationToken) -> anyhow::Result<()> {
    // A session for each server: what a relay holds of one is nothing to those who wait for another.
    let name = place.address.as_ref().map_or(relay.clone(), |at| format!("{relay}@{}:{}", at.host, at.port));
    let taken = Arc::new(Taken::default());
    // The session outlives the work: it is signed off only when nothing is in flight any more.
    let drained = CancellationToken::new();
    let work = async {
        outbox::run(&Relay { stores: &stores, place: &place, name: &name, taken: &taken }, &stop).await;
        drained.cancel();
    };
    tokio::join!(work, heartbeat::run(&stores.mysql, &name, &place, &taken, &drained));
    Ok(())
}
