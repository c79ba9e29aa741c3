//! What MySQL knows of each partition.

use std::collections::HashMap;

use contract::{Partition, Version};
use sqlx::{AssertSqlSafe, MySqlPool, query_as, raw_sql};

use crate::store::{Store, StoreError};

/// Epoch and version of each partition.
#[derive(Debug)]
pub(crate) struct Known(HashMap<Partition, (u64, Version)>);

impl Known {
    pub(crate) async fn read(mysql: &MySqlPool) -> Result<Self, StoreError> {
        let rows: Vec<(u8, i64, i64, i64, i64, i64)> = query_as(
            "SELECT k.p, k.epoch, k.version_ms, k.version_seq, COALESCE(s.last_ms, 0), COALESCE(s.last_seq, 0)
             FROM partition_state k LEFT JOIN outbox_seen s ON s.p = k.p",
        )
        .fetch_all(mysql)
        .await?;
        let version = |ms: i64, seq: i64| Some(Version { ms: u64::try_from(ms).ok()?, seq: u64::try_from(seq).ok()? });
        let row = |(p, epoch, ms, seq, seen_ms, seen_seq): (u8, i64, i64, i64, i64, i64)| {
            let known = version(ms, seq)?.max(version(seen_ms, seen_seq)?);
            Some((Partition::from_number(p)?, (u64::try_from(epoch).ok()?, known)))
        };
        let known = rows.into_iter().map(row).collect::<Option<_>>();
        known
            .map(Self)
            .ok_or_else(|| StoreError::Answer(Store::Mysql, "partition_state has a number out of range".to_owned()))
    }

    /// The highest version that MySQL has applied, or that `warm` has seen acknowledged and perhaps not yet relayed: a
    /// Redis whose outbox ends before it has lost something.
    pub(crate) fn version(&self, partition: Partition) -> Version {
        self.0.get(&partition).map_or(Version::default(), |(_, version)| *version)
    }

    /// The highest epoch given out.
    pub(crate) fn epoch(&self, partition: Partition) -> u64 {
        self.0.get(&partition).map_or(0, |(epoch, _)| *epoch)
    }
}

/// Remembers epochs before they are used: a rebuild that is cut short after this must not give one out again.
pub(crate) async fn write_epochs(mysql: &MySqlPool, epochs: &[(Partition, u64)]) -> Result<(), StoreError> {
    let rows = epochs.iter().map(|(partition, epoch)| format!("({partition},{epoch})")).collect::<Vec<_>>().join(",");
    let write = format!(
        "INSERT INTO partition_state (p, epoch) VALUES {rows}
         ON DUPLICATE KEY UPDATE epoch = GREATEST(epoch, VALUES(epoch))"
    );
    raw_sql(AssertSqlSafe(write)).execute(mysql).await?;
    Ok(())
}
