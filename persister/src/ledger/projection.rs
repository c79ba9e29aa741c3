//! The projection in Redis of kinds whose truth is MySQL.

use std::collections::BTreeMap;

use contract::{
    Partition,
    scripts::{Entry, Project, Refusal},
};
use sqlx::{AssertSqlSafe, MySqlPool, query, query_as, raw_sql};

use super::mysql_outbox::{Work, mark_done};
use crate::store::{
    StoreError,
    scripts::{call_all, refused},
    servers::Servers,
};

/// Takes the next token for these partitions. From now on nobody with an older one can record work there, and from the
/// first write with it on nobody can write there in Redis.
pub(crate) async fn next_token(mysql: &MySqlPool, partitions: &[Partition]) -> Result<u64, StoreError> {
    let mut transaction = mysql.begin().await?;
    let next = query("UPDATE projector SET token = LAST_INSERT_ID(token + 1)").execute(&mut *transaction).await?;
    let token = next.last_insert_id();
    let take = format!("UPDATE projection SET token = {token} WHERE p IN ({})", list(partitions));
    raw_sql(AssertSqlSafe(take)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(token)
}

fn list<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> String {
    partitions.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// What became of entries.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The partitions that were written, and how many writes each has had.
    pub(crate) writes: BTreeMap<Partition, u64>,
    /// The partitions that are not warm: nothing was written there.
    pub(crate) cold: Vec<Partition>,
    /// Whether somebody else has taken over one of the others.
    pub(crate) taken_over: bool,
}

/// Writes entries, in their order, to each partition's projection.
pub(crate) async fn write(
    redis: &mut Servers,
    token: u64,
    entries: &BTreeMap<Partition, Vec<Entry>>,
) -> Result<Written, StoreError> {
    let calls: Vec<Project<'_>> =
        entries.iter().map(|(partition, entries)| Project { partition: *partition, token, entries }).collect();
    let mut written = Written::default();
    for (call, outcome) in calls.iter().zip(call_all(redis, &calls).await?) {
        match outcome {
            Ok(writes) => {
                written.writes.insert(call.partition, writes);
            }
            Err(Refusal::Cold) => written.cold.push(call.partition),
            Err(Refusal::Stale) => written.taken_over = true,
            Err(refusal) => return Err(refused(call, refusal)),
        }
    }
    Ok(written)
}

/// Records that rows of the outbox are projected, and how many writes their partitions have had. False, and nothing is
/// recorded, if somebody has taken a newer token for one of them: a server that takes over may lack what was written to the
/// one before, so whoever declares a server whole takes a token first, and what was not recorded by then is projected again.
pub(crate) async fn record(
    mysql: &MySqlPool,
    token: u64,
    writes: &BTreeMap<Partition, u64>,
    ids: &[i64],
) -> Result<bool, StoreError> {
    let mut transaction = mysql.begin().await?;
    if !writes.is_empty() {
        let lock = format!("SELECT token FROM projection WHERE p IN ({}) ORDER BY p FOR UPDATE", list(writes.keys()));
        let tokens: Vec<(i64,)> = query_as(AssertSqlSafe(lock)).fetch_all(&mut *transaction).await?;
        if tokens.iter().any(|(latest,)| latest.unsigned_abs() != token) {
            return Ok(false);
        }
        let rows = writes.iter().map(|(partition, writes)| format!("({partition},{writes})"));
        let write = format!(
            "INSERT INTO projection (p, writes) VALUES {}
             ON DUPLICATE KEY UPDATE writes = GREATEST(writes, VALUES(writes))",
            rows.collect::<Vec<_>>().join(",")
        );
        raw_sql(AssertSqlSafe(write)).execute(&mut *transaction).await?;
    }
    mark_done(&mut transaction, Work::Project, ids).await?;
    transaction.commit().await?;
    Ok(true)
}
