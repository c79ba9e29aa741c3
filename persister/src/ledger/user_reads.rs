//! The last read of each signed-in user and article, kept for as long as the site wants.

use sqlx::{MySqlPool, query};

use crate::store::StoreError;

/// Deletes rows that are older than so many days, some thousands a call: a backlog goes over several calls, so that no
/// transaction is long.
pub(crate) async fn forget_old(mysql: &MySqlPool, days: u32) -> Result<(), StoreError> {
    query("DELETE FROM user_read WHERE last_read_at < UTC_TIMESTAMP(3) - INTERVAL ? DAY LIMIT 5000")
        .bind(days)
        .execute(mysql)
        .await?;
    Ok(())
}
