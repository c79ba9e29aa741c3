//! The last read of each signed-in user and article, for as long as the site keeps it.

use sqlx::{MySqlExecutor, query};

use crate::store::StoreError;

/// Deletes rows older than `days`, a few thousand in each call, so that a backlog never makes a long transaction.
pub(crate) async fn forget_old(mysql: impl MySqlExecutor<'_>, days: u32) -> Result<(), StoreError> {
    query("DELETE FROM user_read WHERE last_read_at < UTC_TIMESTAMP(3) - INTERVAL ? DAY LIMIT 5000")
        .bind(days)
        .execute(mysql)
        .await?;
    Ok(())
}
