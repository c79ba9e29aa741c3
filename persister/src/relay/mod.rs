//! The relay: ships what Redis and MySQL have acknowledged to Kafka, and forgets it there only after Kafka has it.

mod collect;
mod entry;
mod outbox;
mod session;

use std::{process, sync::Arc};

use tokio_util::sync::CancellationToken;
use tracing::info;

use self::session::Taken;
use crate::store::Stores;

/// Runs until `stop`. Any number of relays share the work.
pub(crate) async fn run(stores: Stores, stop: CancellationToken) -> anyhow::Result<()> {
    // Unique for each process, also where every container's process has the same number.
    let relay = format!("relay-{}-{:08x}", process::id(), rand::random::<u32>());
    info!(relay, "relaying");
    let taken = Arc::new(Taken::default());
    // The session outlives the work: it is signed off only when nothing is in flight any more.
    let drained = CancellationToken::new();
    let work = async {
        tokio::join!(outbox::run(&stores, &relay, &taken, &stop), collect::run(&stores, &stop),);
        drained.cancel();
    };
    tokio::join!(work, session::run(&stores.mysql, &relay, &taken, &drained));
    Ok(())
}
