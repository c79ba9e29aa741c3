//! The steps of a rebuild in Redis: fence, clear, declare warm. The data itself is written by [`super::restore`].

use std::collections::{HashMap, HashSet};

use contract::{Partition, Version, keys, scripts};

use super::{
    clock,
    known::{Known, write_epochs},
    markers::markers,
    outbox::RELAY_GROUP,
    refusal::{TAKEN_OVER, all_ok},
};
use crate::store::{Store, StoreError, Stores, scripts::call, servers::Servers};

const SCAN: usize = 2000;

/// Fences the partitions for rebuild `id`, unless another process has declared them whole.
pub(crate) async fn fence(
    redis: &mut Servers,
    server: &str,
    partitions: &[Partition],
    id: &str,
) -> Result<(), StoreError> {
    let mut calls = redis::pipe();
    for partition in partitions {
        let mut fence = call(&scripts::FENCE, [keys::warm(*partition)]);
        fence.arg(id).arg(server);
        calls.add_command(fence);
    }
    all_ok(redis, &calls, "another process has declared it whole").await
}

/// Removes all keys of the partitions except the marker and the outbox, whose last id must never go back; how many keys.
/// Nothing adds keys meanwhile: the partitions are fenced. They are of one server.
pub(crate) async fn clear(redis: &mut Servers, partitions: &[Partition], id: &str) -> Result<usize, StoreError> {
    let concerned: HashSet<Partition> = partitions.iter().copied().collect();
    let kept: HashSet<String> =
        partitions.iter().flat_map(|partition| [keys::warm(*partition), keys::outbox(*partition)]).collect();
    let (mut cursor, mut removed) = (0_u64, 0);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(keys::ANY).arg("COUNT").arg(SCAN);
        let (next, found): (u64, Vec<String>) = scan.query_async(redis.any()?).await?;
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
        all_ok(redis, &calls, TAKEN_OVER).await?;
        cursor = next;
        if cursor == 0 {
            return Ok(removed);
        }
    }
}

/// Declares the rebuilt partitions warm on `server`, in a new epoch that MySQL knows of first.
pub(crate) async fn declare_rebuilt(
    stores: &Stores,
    redis: &mut Servers,
    server: &str,
    partitions: &[Partition],
    id: &str,
) -> Result<(), StoreError> {
    let known = Known::read(&stores.mysql).await?;
    let markers = markers(redis, partitions).await?;
    let now = clock::time(redis).await?.as_millisecond();
    let before_1970 = |_| StoreError::Answer(Store::Redis, "its clock is out of range".to_owned());
    let now = Version { ms: u64::try_from(now).map_err(before_1970)?, seq: 0 };
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
    all_ok(redis, &calls, TAKEN_OVER).await
}
