//! Which records of the dead-letter queue have been put back.

use std::collections::HashSet;

use sqlx::{MySqlConnection, MySqlPool, QueryBuilder, query, query_as, query_scalar};

use crate::store::{StoreError, observer::Ends};

/// Partition and offset of each record that was put back.
pub(crate) type Replayed = HashSet<(i32, i64)>;

/// The records of a topic that were put back.
pub(crate) async fn replayed(mysql: &MySqlPool, topic: &str) -> Result<Replayed, StoreError> {
    let rows: Vec<(i32, i64)> =
        query_as("SELECT p, record FROM dlq_replayed WHERE topic = ?").bind(topic).fetch_all(mysql).await?;
    Ok(rows.into_iter().collect())
}

/// Remembers which records were put back.
pub(crate) async fn remember(mysql: &MySqlPool, topic: &str, records: &[(i32, i64)]) -> Result<(), StoreError> {
    if records.is_empty() {
        return Ok(());
    }
    let mut insert = QueryBuilder::new("INSERT IGNORE INTO dlq_replayed (topic, p, record, replayed_at) ");
    insert.push_values(records, |mut row, (partition, offset)| {
        row.push_bind(topic).push_bind(partition).push_bind(offset).push("UTC_TIMESTAMP(3)");
    });
    insert.build().execute(mysql).await?;
    Ok(())
}

/// Forgets records outside the topic's ends. Earlier ones have expired and cannot come again. Later ones belong to an
/// older topic of the same name.
pub(crate) async fn forget_outside(mysql: &MySqlPool, topic: &str, ends: &Ends) -> Result<(), StoreError> {
    for (partition, (first, next)) in ends {
        query("DELETE FROM dlq_replayed WHERE topic = ? AND p = ? AND (record < ? OR record >= ?)")
            .bind(topic)
            .bind(partition)
            .bind(first)
            .bind(next)
            .execute(mysql)
            .await?;
    }
    Ok(())
}

/// Forgets all records of a topic that has just been created, since its offsets start again.
pub(crate) async fn forget_topic(mysql: &MySqlPool, topic: &str) -> Result<(), StoreError> {
    query("DELETE FROM dlq_replayed WHERE topic = ?").bind(topic).execute(mysql).await?;
    Ok(())
}

/// How many records within the topic's ends were put back.
pub(super) async fn count_within(mysql: &mut MySqlConnection, topic: &str, ends: &Ends) -> Result<i64, StoreError> {
    let mut replayed = 0;
    for (partition, (first, next)) in ends {
        let count = "SELECT COUNT(*) FROM dlq_replayed WHERE topic = ? AND p = ? AND record >= ? AND record < ?";
        replayed += query_scalar::<_, i64>(count)
            .bind(topic)
            .bind(partition)
            .bind(first)
            .bind(next)
            .fetch_one(&mut *mysql)
            .await?;
    }
    Ok(replayed)
}
