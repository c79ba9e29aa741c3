//! What Redis says of each partition: the server whose data is known to be whole, and its outbox.

use contract::{Partition, Version, keys, scripts};

use super::outbox::RELAY_GROUP;
use crate::store::{
    Store, StoreError,
    scripts::{call, run_script, run_scripts},
    servers::Servers,
};

/// What Redis says of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    /// The server whose data was known to be whole; empty for none, or for a rebuild under way.
    pub(crate) run_id: String,
    /// 0 where there is no marker at all.
    pub(crate) epoch: u64,
    /// The outbox's last id.
    pub(crate) last: Version,
    /// Entries in the outbox.
    pub(crate) waiting: u64,
    /// The oldest of them.
    pub(crate) oldest: Option<Version>,
    /// Whether it is fenced for a rebuild.
    pub(crate) rebuilding: bool,
}

/// What `partition_state.lua` answers.
type Answer = (String, u64, String, u64, String, String);

/// The markers of these partitions, each as of one moment.
pub(crate) async fn markers(
    redis: &mut Servers,
    partitions: &[Partition],
) -> Result<Vec<(Partition, Marker)>, StoreError> {
    let mut calls = redis::pipe();
    for partition in partitions {
        calls.add_command(call(&scripts::PARTITION_STATE, [keys::warm(*partition), keys::outbox(*partition)]));
    }
    let answers: Vec<Answer> = run_scripts(redis, &calls).await?;
    let marker = |(run_id, epoch, last, waiting, oldest, rebuild): Answer| {
        let past = |_| StoreError::Answer(Store::Redis, "the outbox has an id past 2^63".to_owned());
        let last: Version = last.parse().map_err(past)?;
        let oldest = oldest.parse().ok();
        Ok::<_, StoreError>(Marker { run_id, epoch, last, waiting, oldest, rebuilding: !rebuild.is_empty() })
    };
    partitions.iter().zip(answers).map(|(partition, answer)| Ok((*partition, marker(answer)?))).collect()
}

/// The partitions of these servers that `server` may not serve.
pub(crate) async fn cold(redis: &mut Servers, server: &str) -> Result<Vec<(Partition, Marker)>, StoreError> {
    let partitions = redis.partitions();
    let mut markers = markers(redis, &partitions).await?;
    markers.retain(|(_, marker)| marker.run_id != server);
    Ok(markers)
}

/// Fails unless every partition is warm: likes that a rebuild is bringing back cannot be found, nor taken out, and what
/// MySQL gets meanwhile may be missing in what is brought back.
pub(crate) async fn all_warm(redis: &mut Servers) -> Result<(), StoreError> {
    let partitions: Vec<Partition> = Partition::all().collect();
    let markers = markers(redis, &partitions).await?;
    let mut cold = 0;
    for (partition, marker) in markers {
        cold += usize::from(marker.run_id != redis.name(partition)?);
    }
    if cold == 0 {
        return Ok(());
    }
    Err(StoreError::Other(format!("this needs all partitions warm, and {cold} are not")))
}

/// Declares partitions warm on `server` as they are, each in its epoch.
pub(crate) async fn declare_warm(
    redis: &mut Servers,
    server: &str,
    whole: &[(Partition, u64)],
) -> Result<(), StoreError> {
    for (partition, epoch) in whole {
        let mut warm = call(&scripts::WARM, [keys::warm(*partition), keys::outbox(*partition)]);
        warm.arg(server).arg(epoch).arg("0-0").arg("").arg(RELAY_GROUP);
        let answer: Vec<String> = run_script(redis, warm).await?;
        if answer != ["OK"] {
            return Err(StoreError::Other(format!("partition {partition} changed while it was looked at")));
        }
    }
    Ok(())
}
