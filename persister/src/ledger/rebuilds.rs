//! The records of rebuilds, and of what may have been lost before them.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{MySqlPool, query, query_as, query_scalar};

use super::{loss::Loss, restore::Written};
use crate::store::StoreError;

/// The reason of a record without a rebuild: partitions were declared whole that may lack something.
pub(crate) const PROMOTED: &str = "a replica has taken over";

/// A rebuild that succeeded.
pub(crate) struct Rebuilt {
    pub(crate) why: &'static str,
    pub(crate) partitions: usize,
    pub(crate) loss: Loss,
    pub(crate) written: Written,
    /// The time since the loss was noticed.
    pub(crate) took: Duration,
}

/// Writes the record of a rebuild.
pub(crate) async fn keep(mysql: &MySqlPool, rebuilt: &Rebuilt) -> Result<(), StoreError> {
    let Rebuilt { why, partitions, loss, written, took } = rebuilt;
    query(
        "INSERT INTO rebuild
            (noticed_ms, took_ms, reason, partitions, members, articles, lost_of, lost_waiting, lost_from_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(loss.to.as_millisecond())
    .bind(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
    .bind(why)
    .bind(*partitions as u64)
    .bind(written.members)
    .bind(written.articles)
    .bind(loss.partitions as u64)
    .bind(loss.waiting)
    .bind(loss.from.map(Timestamp::as_millisecond))
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
pub(super) async fn last_loss(mysql: &MySqlPool) -> Result<Option<Timestamp>, StoreError> {
    let ms: Option<i64> =
        query_scalar("SELECT MAX(noticed_ms) FROM rebuild WHERE lost_of > 0").fetch_one(mysql).await?;
    Ok(ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
}

/// The columns of a record, in the order of [`keep`].
pub(super) type Row = (i64, i64, String, i32, i64, i64, i32, i64, Option<i64>);

/// The last record.
pub(super) async fn last(mysql: &MySqlPool) -> Result<Option<Row>, StoreError> {
    Ok(query_as(
        "SELECT noticed_ms, took_ms, reason, partitions, members, articles, lost_of, lost_waiting, lost_from_ms
         FROM rebuild ORDER BY id DESC LIMIT 1",
    )
    .fetch_optional(mysql)
    .await?)
}
