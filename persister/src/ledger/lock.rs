//! Locks of MySQL sessions, for work that one process does at a time.

use std::time::Duration;

use sqlx::{Connection as _, MySqlConnection, MySqlPool, query_scalar};

use crate::store::{Store, StoreError, within};

/// How often the lock's connection is used, and how long MySQL may take to answer.
const PING: Duration = Duration::from_secs(5);

/// A lock that ends with its connection, however the process ends. If the server hears nothing, it ends after the time
/// that the server waits for any connection of the pool.
///
/// The connection is not from the pool: a lock is kept for as long as the work takes, and the work needs the pool.
pub(crate) struct Lock(Option<MySqlConnection>);

impl Lock {
    /// Takes the lock of that name in this database. None while another process has it.
    pub(crate) async fn take(mysql: &MySqlPool, name: &str) -> Result<Option<Self>, StoreError> {
        let mut connection = mysql.acquire().await?;
        // Names have at most 64 characters.
        let take = "SELECT CAST(GET_LOCK(
                        CONCAT('interaction.', LEFT(SHA2(CONCAT(DATABASE(), ' ', ?), 256), 32)), 0) AS SIGNED)";
        let got: Option<i64> = query_scalar(take).bind(name).fetch_one(&mut *connection).await?;
        if got != Some(1) {
            return Ok(None);
        }
        Ok(Some(Self(Some(connection.detach()))))
    }

    /// Uses the connection now and then to keep it open. Ends only when MySQL does not answer.
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

    /// Releases the lock.
    pub(crate) async fn release(&mut self) {
        if let Some(mut connection) = self.0.take() {
            let release = "SELECT CAST(RELEASE_ALL_LOCKS() AS SIGNED)";
            // If this fails, the lock still ends with the connection.
            let _ =
                tokio::time::timeout(PING, query_scalar::<_, Option<i64>>(release).fetch_one(&mut connection)).await;
        }
    }
}
