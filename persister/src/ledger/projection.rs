//! The projection in Redis of kinds whose truth is MySQL.

use std::collections::BTreeMap;

use contract::{
    Partition,
    scripts::{Entry, Project, Refusal},
};
use sqlx::{MySqlPool, mysql::MySqlQueryResult};

use super::mysql_outbox::{Work, mark_done};
use crate::store::{
    StoreError,
    mysql::atomically,
    scripts::{call_all, refused},
    servers::Servers,
};

/// Takes the next token for these partitions. From now on no older token can record work there, and from the first
/// write with the new token on, no older token can write in Redis.
pub(crate) async fn next_token(mysql: &MySqlPool, partitions: &[Partition]) -> Result<u64, StoreError> {
    let take = format!(
        "UPDATE projector SET token = LAST_INSERT_ID(token + 1);
         UPDATE projection SET token = LAST_INSERT_ID() WHERE p IN ({})",
        list(partitions)
    );
    let token = atomically(mysql, &take).await?.first().map_or(0, MySqlQueryResult::last_insert_id);
    Ok(token)
}

fn list<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> String {
    partitions.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The outcome of a write.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The partitions that were written, and the number of writes that each has had.
    pub(crate) writes: BTreeMap<Partition, u64>,
    /// The partitions that are not warm. Nothing was written there.
    pub(crate) cold: Vec<Partition>,
    /// Whether another process has taken over one of the other partitions.
    pub(crate) taken_over: bool,
}

/// Writes entries, in order, to each partition's projection.
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

/// Records that rows of the outbox are projected, and the number of writes of their partitions. Returns false if
/// another process has a newer token for a partition; that partition's rows are not recorded. A server that takes over
/// may lack what was written to its predecessor. So before a server is declared whole a token is taken, and everything
/// not recorded by then is projected again.
pub(crate) async fn record(
    mysql: &MySqlPool,
    token: u64,
    writes: &BTreeMap<Partition, u64>,
    ids: &[i64],
) -> Result<bool, StoreError> {
    if ids.is_empty() {
        return Ok(true);
    }
    // Rows that are no event were written nowhere, and may have no partition.
    let partitions = if writes.is_empty() { "NULL".to_owned() } else { list(writes.keys()) };
    let cases = writes.iter().map(|(partition, writes)| format!(" WHEN p = {partition} THEN {writes}"));
    let ours = format!("p IN (SELECT p FROM projection WHERE token = {token})");
    // The first statement locks the partitions that are still ours. Tokens only grow, so none becomes ours again before
    // the second statement.
    let statements = format!(
        "UPDATE projection SET writes = GREATEST(writes, CASE WHEN FALSE THEN 0{} ELSE 0 END)
             WHERE p IN ({partitions}) AND token = {token};
         {}",
        cases.collect::<String>(),
        mark_done(Work::Project, ids, &ours)
    );
    let results = atomically(mysql, &statements).await?;
    Ok(results.first().is_some_and(|ours| ours.rows_affected() == writes.len() as u64))
}
