//! The processes that warm: their signs of life, and the lock that lets one of them work.

use std::time::Duration;

use sqlx::{Connection as _, MySql, MySqlPool, pool::PoolConnection, query, query_scalar};

use crate::store::{Store, StoreError, place::Place, within};

/// How often the lock's connection is used, and how long MySQL may take to answer it.
const PING: Duration = Duration::from_secs(5);

/// Records a sign of life, and forgets the processes that have long been silent.
pub(crate) async fn beat(mysql: &MySqlPool, warmer: &str) -> Result<(), StoreError> {
    let write = "INSERT INTO warmer (warmer_id, seen_at) VALUES (?, UTC_TIMESTAMP(3))
                 ON DUPLICATE KEY UPDATE seen_at = VALUES(seen_at)";
    query(write).bind(warmer).execute(mysql).await?;
    query("DELETE FROM warmer WHERE seen_at < UTC_TIMESTAMP(3) - INTERVAL 1 HOUR").execute(mysql).await?;
    Ok(())
}

/// Removes the sign of life of a process that ends.
pub(crate) async fn forget(mysql: &MySqlPool, warmer: &str) -> Result<(), StoreError> {
    query("DELETE FROM warmer WHERE warmer_id = ?").bind(warmer).execute(mysql).await?;
    Ok(())
}

/// The right to warm a server, as a lock of a MySQL session. The lock ends with the connection, however the process
/// ends, and at the latest when the server has heard nothing for as long as it waits for any connection of the pool.
pub(crate) struct Lock(Option<PoolConnection<MySql>>);

impl Lock {
    /// Takes the lock; none while another process has it.
    pub(crate) async fn take(mysql: &MySqlPool, place: &Place) -> Result<Option<Self>, StoreError> {
        let mut connection = mysql.acquire().await?;
        let server = place.address.as_ref().map_or(String::new(), |at| format!("{}:{}", at.host, at.port));
        // Names have 64 characters at most.
        let take = "SELECT CAST(GET_LOCK(
                        CONCAT('interaction.warm.', LEFT(SHA2(CONCAT(DATABASE(), ' ', ?), 256), 32)), 0) AS SIGNED)";
        let got: Option<i64> = query_scalar(take).bind(&server).fetch_one(&mut *connection).await?;
        // However this ends, the lock ends with it.
        connection.close_on_drop();
        Ok((got == Some(1)).then_some(Self(Some(connection))))
    }

    /// Says now and then that the lock is still wanted; ends only when MySQL does not answer.
    pub(crate) async fn watch(&mut self) -> StoreError {
        loop {
            tokio::time::sleep(PING).await;
            let Some(connection) = &mut self.0 else {
                return StoreError::Other("the lock was given back".to_owned());
            };
            if let Err(error) = within(PING, Store::Mysql, connection.ping()).await {
                return error;
            }
        }
    }

    /// Gives the lock back.
    pub(crate) async fn release(&mut self) {
        if let Some(mut connection) = self.0.take() {
            let release = "SELECT CAST(RELEASE_ALL_LOCKS() AS SIGNED)";
            // If it fails, the lock ends with the connection all the same.
            let _ =
                tokio::time::timeout(PING, query_scalar::<_, Option<i64>>(release).fetch_one(&mut *connection)).await;
        }
    }
}
