//! The records of rebuilds, and of what may have been lost before them.

use std::time::Duration;

use contract::Partition;
use jiff::Timestamp;
use sqlx::{MySqlExecutor, MySqlPool, query, query_as, query_scalar};

use super::{loss::Loss, restore::Written};
use crate::store::StoreError;

/// The reason of a record without a rebuild: partitions were declared whole that may lack something.
pub(crate) const PROMOTED: &str = "a replica has taken over";

/// Writes the record of a rebuild that begins, and returns its number. A rebuild declares its partitions one after the other.
/// So the possible loss must be on record first, or an interrupted rebuild would leave no trace of it.
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

/// The last record. An attempt that was cut short has one that is not complete, and the next attempt rebuilds only what was left.
/// So the last record says the most that any attempt since the last complete rebuild may have lost.
pub(super) async fn last(mysql: impl MySqlExecutor<'_>) -> Result<Option<Row>, StoreError> {
    let attempts: Vec<Row> = query_as(
        "SELECT noticed_ms, took_ms, reason, partitions, members, articles, lost_of, lost_waiting, lost_from_ms
         FROM rebuild
         WHERE id > COALESCE((SELECT MAX(id) FROM rebuild WHERE took_ms > 0 AND id < (SELECT MAX(id) FROM rebuild)), 0)
         ORDER BY id DESC LIMIT 1000",
    )
    .fetch_all(mysql)
    .await?;
    Ok(attempts.into_iter().reduce(with_attempt))
}

/// A record with what may have been lost before an attempt that preceded it.
fn with_attempt(mut record: Row, (.., lost_of, waiting, from): Row) -> Row {
    if lost_of > 0 {
        // An unknown moment may be any.
        record.8 = if record.6 > 0 { record.8.zip(from).map(|(one, other)| one.min(other)) } else { from };
        record.6 = record.6.max(lost_of);
        record.7 = record.7.max(waiting);
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_attempts_that_were_cut_short_may_have_lost_is_in_the_last_record() {
        let record = |of, waiting, from| -> Row { (9, 1, "empty".to_owned(), 58, 7, 2, of, waiting, from) };
        for (last, before, wanted) in [
            (record(58, 3, Some(5)), record(128, 100, Some(4)), record(128, 100, Some(4))),
            (record(58, 3, None), record(128, 100, Some(4)), record(128, 100, None)),
            (record(0, 0, None), record(128, 100, Some(4)), record(128, 100, Some(4))),
            (record(58, 3, Some(5)), record(0, 0, None), record(58, 3, Some(5))),
        ] {
            assert_eq!(with_attempt(last, before), wanted);
        }
    }
}
