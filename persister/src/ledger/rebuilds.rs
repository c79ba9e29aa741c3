//! The records of rebuilds, and of what may have been lost before them.

use std::time::Duration;

use contract::Partition;
use jiff::Timestamp;
use sqlx::{MySqlExecutor, MySqlPool, query, query_as, query_scalar};

use super::{loss::Loss, restore::Written};
use crate::store::StoreError;

/// The reason of a record without a rebuild: partitions were declared whole that may lack something.
pub(crate) const PROMOTED: &str = "a replica has taken over";

/// Writes the record of a rebuild that begins, and returns its number. A rebuild declares its partitions one after the other, so
/// what may be lost must be on record before, or a rebuild that is cut short would leave no trace of it.
pub(crate) async fn begin(
    mysql: &MySqlPool,
    why: &str,
    partitions: &[Partition],
    loss: &Loss,
) -> Result<u64, StoreError> {
    let inserted = query(
        "INSERT INTO rebuild
            (noticed_ms, took_ms, reason, partitions, members, articles, lost_of, lost_waiting, lost_from_ms)
         VALUES (?, 0, ?, ?, 0, 0, ?, ?, ?)",
    )
    .bind(loss.to.as_millisecond())
    .bind(why)
    .bind(partitions.len() as u64)
    .bind(loss.partitions as u64)
    .bind(loss.waiting)
    .bind(loss.from.map(Timestamp::as_millisecond))
    .execute(mysql)
    .await?;
    Ok(inserted.last_insert_id())
}

/// Completes the record. Until then the rebuild took 0 ms.
pub(crate) async fn finish(mysql: &MySqlPool, id: u64, written: &Written, took: Duration) -> Result<(), StoreError> {
    query("UPDATE rebuild SET took_ms = ?, members = ?, articles = ? WHERE id = ?")
        .bind(u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1))
        .bind(written.members)
        .bind(written.articles)
        .bind(id)
        .execute(mysql)
        .await?;
    Ok(())
}

/// When the last rebuild with a possible loss was noticed, in ms. None if there was none.
pub(crate) async fn last_without_likes(mysql: &MySqlPool) -> Result<Option<i64>, StoreError> {
    Ok(query_scalar("SELECT MAX(noticed_ms) FROM rebuild WHERE lost_of > 0 AND reason <> ?")
        .bind(PROMOTED)
        .fetch_one(mysql)
        .await?)
}

/// When the last loss of any kind was noticed.
pub(super) async fn last_loss(mysql: impl MySqlExecutor<'_>) -> Result<Option<Timestamp>, StoreError> {
    let ms: Option<i64> =
        query_scalar("SELECT MAX(noticed_ms) FROM rebuild WHERE lost_of > 0").fetch_one(mysql).await?;
    Ok(ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
}

/// The columns of a record.
pub(super) type Row = (i64, i64, String, i32, i64, i64, i32, i64, Option<i64>);

/// The last record.
pub(super) async fn last(mysql: impl MySqlExecutor<'_>) -> Result<Option<Row>, StoreError> {
    Ok(query_as(
        "SELECT noticed_ms, took_ms, reason, partitions, members, articles, lost_of, lost_waiting, lost_from_ms
         FROM rebuild ORDER BY id DESC LIMIT 1",
    )
    .fetch_optional(mysql)
    .await?)
}
