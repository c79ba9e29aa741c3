//! The locks of partitions in MySQL. Every writer of a partition's rows or counts takes its lock first.

use contract::Partition;
use sqlx::{AssertSqlSafe, MySqlConnection, raw_sql};

/// Takes the partitions' locks, in order, until the end of the transaction.
pub(crate) async fn lock_partitions<'a>(
    connection: &mut MySqlConnection,
    partitions: impl IntoIterator<Item = &'a Partition>,
) -> sqlx::Result<()> {
    let list = partitions.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    if !list.is_empty() {
        let lock = format!("SELECT p FROM partition_state WHERE p IN ({list}) ORDER BY p FOR UPDATE");
        raw_sql(AssertSqlSafe(lock)).execute(connection).await?;
    }
    Ok(())
}
