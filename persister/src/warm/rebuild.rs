//! Rebuilding partitions from MySQL.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, ensure};
use contract::{Partition, Version, keys, scripts};
use tracing::{info, warn};

use super::{
    barrier::Barrier,
    known::{Known, write_epochs},
    markers,
    restore::{self, Written},
    seen,
};
use crate::store::{
    Stores,
    redis::{RELAY_GROUP, call, run_scripts},
    servers::Servers,
};

const SCAN: usize = 2000;

/// Empties the partitions, writes them from MySQL, and declares them warm in a new epoch. If anything fails on the way
/// they stay fenced, and the next try begins anew.
pub(crate) async fn rebuild(
    stores: &Stores,
    redis: &mut Servers,
    barrier: &Barrier<'_>,
    server: &str,
    partitions: &[Partition],
) -> anyhow::Result<Written> {
    let id = format!("{:016x}", rand::random::<u64>());
    fence(redis, server, partitions, &id).await?;
    barrier.outboxes_are_empty(redis, partitions).await?;
    barrier.all_that_was_taken_is_applied().await?;
    match stores.kafka.observer()?.dead_letters().await {
        Ok(0) => (),
        Ok(count) => {
            warn!(count, "the dead-letter queue holds records that MySQL, and so the rebuilt Redis, does not have");
        }
        Err(error) => warn!("the dead-letter queue could not be asked: {error:#}"),
    }
    empty(redis, partitions, &id).await?;
    let written = restore::restore(&stores.mysql, redis, partitions, &id).await?;
    barrier.still_the_same(redis).await?;
    declare(stores, redis, server, partitions, &id).await?;
    Ok(written)
}

async fn fence(redis: &mut Servers, server: &str, partitions: &[Partition], id: &str) -> anyhow::Result<()> {
    let mut calls = redis::pipe();
    for partition in partitions {
        let mut fence = call(&scripts::FENCE, [keys::warm(*partition)]);
        fence.arg(id).arg(server);
        calls.add_command(fence);
    }
    let answers: Vec<Vec<String>> = run_scripts(redis, &calls).await.context("Redis")?;
    ensure!(answers.iter().all(|answer| answer == &["OK"]), "another process has declared it whole");
    Ok(())
}

/// Removes all keys of the partitions but the marker and the outbox, whose last id must never go back. Nothing adds
/// keys meanwhile: the partitions are fenced. They are of one server.
async fn empty(redis: &mut Servers, partitions: &[Partition], id: &str) -> anyhow::Result<()> {
    let concerned: HashSet<Partition> = partitions.iter().copied().collect();
    let kept: HashSet<String> =
        partitions.iter().flat_map(|partition| [keys::warm(*partition), keys::outbox(*partition)]).collect();
    let (mut cursor, mut removed) = (0_u64, 0);
    loop {
        let scan: (u64, Vec<String>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(keys::ANY)
            .arg("COUNT")
            .arg(SCAN)
            .query_async(redis.any().context("Redis")?)
            .await
            .context("Redis")?;
        let (next, found) = scan;
        let mut by_partition: HashMap<Partition, Vec<String>> = HashMap::new();
        for key in found {
            match keys::partition_of(&key) {
                Some(partition) if concerned.contains(&partition) && !kept.contains(&key) => {
                    by_partition.entry(partition).or_default().push(key);
                }
                _ => (),
            }
        }
        let mut calls = redis::pipe();
        for (partition, found) in by_partition {
            removed += found.len();
            let mut clear = call(&scripts::CLEAR, std::iter::once(keys::warm(partition)).chain(found));
            clear.arg(id);
            calls.add_command(clear);
        }
        let answers: Vec<Vec<String>> = run_scripts(redis, &calls).await.context("Redis")?;
        ensure!(answers.iter().all(|answer| answer == &["OK"]), "another rebuild took over");
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    if removed > 0 {
        info!(removed, "removed the keys that were there");
    }
    Ok(())
}

async fn declare(
    stores: &Stores,
    redis: &mut Servers,
    server: &str,
    partitions: &[Partition],
    id: &str,
) -> anyhow::Result<()> {
    let known = Known::read(&stores.mysql).await?;
    let markers = markers(redis, partitions).await?;
    let now = Version { ms: u64::try_from(seen::time(redis).await?.as_millisecond())?, seq: 0 };
    // Not below the time in seconds either: a MySQL restored from a backup has forgotten which epochs it gave out.
    let next_epoch = |(partition, epoch): (Partition, u64)| {
        (partition, epoch.max(known.epoch(partition)).saturating_add(1).max(now.ms / 1000))
    };
    let epochs: Vec<(Partition, u64)> =
        markers.iter().map(|(partition, marker)| next_epoch((*partition, marker.epoch))).collect();
    write_epochs(&stores.mysql, &epochs).await?;

    let mut calls = redis::pipe();
    for ((partition, marker), (_, epoch)) in markers.iter().zip(&epochs) {
        let above = known.version(*partition).max(marker.last).max(now);
        let mut warm = call(&scripts::WARM, [keys::warm(*partition), keys::outbox(*partition)]);
        warm.arg(server).arg(epoch).arg(above.to_string()).arg(id).arg(RELAY_GROUP);
        calls.add_command(warm);
    }
    let answers: Vec<Vec<String>> = run_scripts(redis, &calls).await.context("Redis")?;
    ensure!(answers.iter().all(|answer| answer == &["OK"]), "another rebuild took over");
    Ok(())
}
