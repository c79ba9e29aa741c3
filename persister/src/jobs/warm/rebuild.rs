//! Rebuilding partitions from MySQL.

use contract::Partition;
use tracing::{info, warn};

use super::barrier::Barrier;
use crate::{
    ledger::{
        bars,
        loss::Loss,
        rebuild, rebuilds,
        restore::{Restore, Written},
    },
    store::{Stores, servers::Servers},
};

/// Empties the partitions, fills them from MySQL, and declares each one warm in a new epoch as soon as it is complete.
/// After a failure the remaining partitions stay fenced, and the next attempt starts again with them. Returns the number of its
/// record, which says why it was necessary and what may be lost.
pub(crate) async fn rebuild(
    stores: &Stores,
    redis: &mut Servers,
    barrier: &Barrier<'_>,
    partitions: &[Partition],
    (why, loss): (&str, &Loss),
) -> anyhow::Result<(u64, Written)> {
    let id = format!("{:016x}", rand::random::<u64>());
    rebuild::fence(redis, partitions, &id).await?;
    barrier.outboxes_are_empty(redis, partitions).await?;
    barrier.all_that_was_taken_is_applied(partitions).await?;
    match stores.kafka.dead_letters().await {
        Ok(0) => (),
        Ok(count) => {
            warn!(count, "the dead-letter queue holds records that MySQL, and so the rebuilt Redis, does not have");
        }
        Err(error) => warn!("the dead-letter queue could not be asked: {:#}", anyhow::Error::from(error)),
    }
    let record = rebuilds::begin(&stores.mysql, why, partitions, loss).await?;
    let removed = rebuild::clear(redis, partitions, &id).await?;
    if removed > 0 {
        info!(removed, "removed the keys that were there");
    }
    let mut restore = Restore::begin(&stores.mysql, redis, partitions, &id).await?;
    // A bar that was lifted while it was being restored may be there again. From now on a lift finds all copies.
    bars::agree(&stores.mysql, redis, partitions).await?;
    loop {
        let whole = restore.next(redis).await?;
        if whole.is_empty() {
            return Ok((record, restore.written()));
        }
        barrier.still_the_same(redis).await?;
        rebuild::declare_rebuilt(stores, redis, whole, &id).await?;
    }
}
