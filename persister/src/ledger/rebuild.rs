//! The steps of a rebuild in Redis: fence, clear, declare warm. [`super::restore`] writes the data.

use std::collections::{HashMap, HashSet};

use contract::{
    Partition, Version, keys,
    scripts::{Clear, Fence, Rebuilt, Warm},
};

use super::{
    clock,
    known::{Known, write_epochs},
    markers::markers,
    outbox::RELAY_GROUP,
    projection::next_token,
};
use crate::store::{Store, StoreError, Stores, scripts::accepted, servers::Servers};

const SCAN: usize = 2000;

/// Fences the partitions for rebuild `id`, unless another process has declared them whole.
pub(crate) async fn fence(redis: &mut Servers, partitions: &[Partition], id: &str) -> Result<(), StoreError> {
    let calls: Vec<Fence<'_>> =
        partitions.iter().map(|partition| Fence { partition: *partition, rebuild: id }).collect();
    accepted(redis, &calls).await?;
    Ok(())
}

/// Removes the partitions' keys and returns their number. Keeps the marker; the outbox and the projector, because the last
/// id and the token in them must never decrease; and key sets, which belong to no article. The partitions are fenced, so no
/// key is added meanwhile. They are on one server.
pub(crate) async fn clear(redis: &mut Servers, partitions: &[Partition], id: &str) -> Result<usize, StoreError> {
    let concerned: HashSet<Partition> = partitions.iter().copied().collect();
    let kept: HashSet<String> = partitions
        .iter()
        .flat_map(|partition| [keys::warm(*partition), keys::outbox(*partition), keys::projector(*partition)])
        .collect();
    let (mut cursor, mut removed) = (0_u64, 0);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(keys::ANY).arg("COUNT").arg(SCAN);
        let (next, found): (u64, Vec<String>) = scan.query_async(redis.any()?).await?;
        let mut by_partition: HashMap<Partition, Vec<String>> = HashMap::new();
        for key in found {
            match keys::partition_of(&key) {
                Some(partition)
                    if concerned.contains(&partition) && !kept.contains(&key) && !keys::is_of_jwks(&key) =>
                {
                    by_partition.entry(partition).or_default().push(key);
                }
                _ => (),
            }
        }
        removed += by_partition.values().map(Vec::len).sum::<usize>();
        let clear = |(partition, keys)| Clear { partition, rebuild: id, keys };
        accepted(redis, &by_partition.into_iter().map(clear).collect::<Vec<_>>()).await?;
        cursor = next;
        if cursor == 0 {
            return Ok(removed);
        }
    }
}

/// Declares the rebuilt partitions warm in a new epoch, which MySQL records first.
pub(crate) async fn declare_rebuilt(
    stores: &Stores,
    redis: &mut Servers,
    partitions: &[Partition],
    id: &str,
) -> Result<(), StoreError> {
    let token = next_token(&stores.mysql, partitions).await?;
    let known = Known::read(&stores.mysql).await?;
    let markers = markers(redis, partitions).await?;
    let now = clock::time(redis).await?.as_millisecond();
    let before_1970 = |_| StoreError::Answer(Store::Redis, "its clock is out of range".to_owned());
    let now = Version { ms: u64::try_from(now).map_err(before_1970)?, seq: 0 };
    // The epoch is not below the time in seconds either: a MySQL restored from a backup has forgotten later epochs.
    let next_epoch = |(partition, epoch): (Partition, u64)| {
        (partition, epoch.max(known.of(partition).epoch).saturating_add(1).max(now.ms / 1000))
    };
    let epochs: Vec<(Partition, u64)> =
        markers.iter().map(|(partition, marker)| next_epoch((*partition, marker.epoch))).collect();
    write_epochs(&stores.mysql, &epochs).await?;

    let calls: Vec<Warm<'_>> = markers
        .iter()
        .zip(&epochs)
        .map(|((partition, marker), (_, epoch))| {
            let known = known.of(*partition);
            let above = known.version.max(marker.last).max(now);
            let writes = known.writes.max(marker.writes);
            let rebuilt = Rebuilt { rebuild: id, above, token, writes };
            Warm { partition: *partition, epoch: *epoch, group: RELAY_GROUP, rebuilt }
        })
        .collect();
    accepted(redis, &calls).await?;
    Ok(())
}
