//! What Redis knows of each partition: the server whose data is known to be whole, and its outbox.

pub(crate) use contract::scripts::State as Marker;
use contract::{
    Partition,
    scripts::{PartitionState, Rebuilt, Warm},
};

use super::outbox::RELAY_GROUP;
use crate::store::{StoreError, scripts::accepted, servers::Servers};

/// The markers of these partitions. Each is read at one moment.
pub(crate) async fn markers(
    redis: &mut Servers,
    partitions: &[Partition],
) -> Result<Vec<(Partition, Marker)>, StoreError> {
    let calls: Vec<PartitionState> =
        partitions.iter().map(|partition| PartitionState { partition: *partition }).collect();
    Ok(partitions.iter().copied().zip(accepted(redis, &calls).await?).collect())
}

/// The partitions of these servers that `server` may not serve.
pub(crate) async fn cold(redis: &mut Servers, server: &str) -> Result<Vec<(Partition, Marker)>, StoreError> {
    let partitions = redis.partitions();
    let mut markers = markers(redis, &partitions).await?;
    markers.retain(|(_, marker)| marker.server != server);
    Ok(markers)
}

/// Fails unless every partition is warm. While a rebuild restores likes, they can neither be found nor removed, and the
/// rebuild may miss what MySQL receives meanwhile.
pub(crate) async fn all_warm(redis: &mut Servers) -> Result<(), StoreError> {
    let cold = count_cold(redis, &Partition::all().collect::<Vec<_>>()).await?;
    if cold == 0 {
        return Ok(());
    }
    Err(StoreError::Other(format!("this needs all partitions to be warm: {cold} are not")))
}

/// Fails unless these partitions are warm.
pub(crate) async fn are_warm(redis: &mut Servers, partitions: &[Partition]) -> Result<(), StoreError> {
    let cold = count_cold(redis, partitions).await?;
    if cold == 0 {
        return Ok(());
    }
    Err(StoreError::Other(format!("this needs the articles' partitions to be warm: {cold} are not")))
}

async fn count_cold(redis: &mut Servers, partitions: &[Partition]) -> Result<usize, StoreError> {
    let markers = markers(redis, partitions).await?;
    let mut cold = 0;
    for (partition, marker) in markers {
        cold += usize::from(marker.server != redis.name(partition)?);
    }
    Ok(cold)
}

/// Declares partitions warm as they are, each in its present epoch.
pub(crate) async fn declare_warm(redis: &mut Servers, whole: &[(Partition, u64)]) -> Result<(), StoreError> {
    let calls: Vec<Warm<'_>> = whole
        .iter()
        .map(|(partition, epoch)| Warm {
            partition: *partition,
            epoch: *epoch,
            group: RELAY_GROUP,
            rebuilt: Rebuilt::default(),
        })
        .collect();
    accepted(redis, &calls).await?;
    Ok(())
}
