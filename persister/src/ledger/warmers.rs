//! The heartbeats of processes that warm.

use sqlx::{MySqlConnection, MySqlExecutor, query};

use crate::store::StoreError;

/// Records a heartbeat, and forgets processes that have long been silent.
pub(crate) async fn beat(mysql: &mut MySqlConnection, warmer: &str) -> Result<(), StoreError> {
    let write = "INSERT INTO warmer (warmer_id, seen_at) VALUES (?, UTC_TIMESTAMP(3))
                 ON DUPLICATE KEY UPDATE seen_at = VALUES(seen_at)";
    query(write).bind(warmer).execute(&mut *mysql).await?;
    query("DELETE FROM warmer WHERE seen_at < UTC_TIMESTAMP(3) - INTERVAL 1 HOUR").execute(mysql).await?;
    Ok(())
}

/// Removes the heartbeat of a process that ends.
pub(crate) async fn forget(mysql: impl MySqlExecutor<'_>, warmer: &str) -> Result<(), StoreError> {
    query("DELETE FROM warmer WHERE warmer_id = ?").bind(warmer).execute(mysql).await?;
    Ok(())
}
