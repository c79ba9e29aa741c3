//! The rows of `collect_outbox`, which wait to be shipped to Kafka.

use contract::{ArticleId, Cause, Change, Event, UserId, Version};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, FromRow, MySqlConnection, query_as, raw_sql};

use crate::store::StoreError;

/// Rows that are taken at once.
pub(crate) const BATCH: usize = 500;

/// One row.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Row {
    pub(crate) id: i64,
    user_id: i64,
    article_id: i64,
    status: i8,
    at_ms: i64,
    request_id: String,
    ip_hash: String,
    cause: String,
}

/// Locks the oldest rows that no other transaction has locked.
pub(crate) async fn take(connection: &mut MySqlConnection) -> Result<Vec<Row>, StoreError> {
    Ok(query_as(
        "SELECT id, user_id, article_id, status, at_ms, request_id, ip_hash, cause FROM collect_outbox
         ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED",
    )
    .fetch_all(connection)
    .await?)
}

/// Deletes rows that Kafka has.
pub(crate) async fn delete(connection: &mut MySqlConnection, rows: &[Row]) -> Result<(), StoreError> {
    let ids = rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>().join(",");
    raw_sql(AssertSqlSafe(format!("DELETE FROM collect_outbox WHERE id IN ({ids})"))).execute(connection).await?;
    Ok(())
}

impl Row {
    /// The event that the row stands for; none if a value is out of range.
    pub(crate) fn to_event(&self) -> Option<Event> {
        Some(Event {
            // Not of the outboxes' clock, and never compared with a like's: unique, and readable in the audit log.
            version: Version { ms: u64::try_from(self.at_ms).ok()?, seq: u64::try_from(self.id).ok()? },
            user: Some(UserId::try_from(self.user_id).ok()?),
            article: ArticleId::try_from(self.article_id).ok()?,
            change: Change::Collect(match self.status {
                0 => false,
                1 => true,
                _ => return None,
            }),
            cause: if self.cause == "erase" { Cause::Erase } else { Cause::User },
            occurred_at: Timestamp::from_millisecond(self.at_ms).ok()?,
            request_id: self.request_id.clone(),
            ip_hash: self.ip_hash.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shipped_can_be_read_again(
            (id, user_id, article_id, at_ms) in any::<(i64, i64, i64, i64)>(),
            status in -1..3_i8,
            request_id in "\\PC{0,20}",
            ip_hash in "\\PC{0,20}",
            cause in "user|erase|\\PC{0,9}",
        ) {
            let row = Row { id, user_id, article_id, status, at_ms, request_id, ip_hash, cause };
            if let Some(event) = row.to_event() {
                prop_assert_eq!(Event::from_json(&event.to_json()).map_err(|error| error.to_string()), Ok(event));
            }
        }
    }

    #[test]
    fn a_row_becomes_an_event_or_nothing() {
        let row = Row {
            id: 3,
            user_id: 7,
            article_id: 42,
            status: 1,
            at_ms: 1_763_800_000_000,
            request_id: "r".to_owned(),
            ip_hash: String::new(),
            cause: "user".to_owned(),
        };
        let event = row.to_event().expect("in range");
        assert_eq!((event.version.to_string(), event.change), ("1763800000000-3".to_owned(), Change::Collect(true)));
        assert!(Row { user_id: 0, ..row.clone() }.to_event().is_none());
        assert!(Row { status: 2, ..row }.to_event().is_none());
    }
}
