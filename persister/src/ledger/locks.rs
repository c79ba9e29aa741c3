//! The locks of partitions in MySQL: whoever changes the likes or the counts of a partition takes its lock first.

use contract::Partition;
use sqlx::{AssertSqlSafe, MySqlConnection, raw_sql};

/// Takes the partitions' locks until the end of the transaction, in the order of their numbers.
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
