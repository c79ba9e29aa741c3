//! Locks of MySQL sessions, for work that one process does at a time.

use std::{mem::replace, time::Duration};

use anyhow::ensure;
use sqlx::{Connection as _, MySqlConnection, MySqlPool, query_scalar};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::store::{Store, StoreError, mysql::given_back, within};

/// How often the lock's connection is used, and how long MySQL may take to answer.
const PING: Duration = Duration::from_secs(5);

/// How long MySQL lets a process wait for a lock before the process asks again.
const TURN: Duration = Duration::from_secs(1);

/// The lock that an erasure, a deletion of articles and each batch of an import take. Without it, an import could ask who is
/// erased, then an erasure could begin and end, and then the import would write rows of the erased user.
pub(crate) const IN_OR_OUT: &str = "in or out";

/// A lock that ends with its connection, however the process ends. If the server hears nothing, the connection ends after the
/// time-out that all connections of the pool have.
///
/// The connection is not from the pool: a lock is kept for as long as the work takes, and the work needs the pool.
pub(crate) struct Lock(Option<MySqlConnection>);

impl Lock {
    /// Takes the lock of that name in this database. None while another process has it.
    pub(crate) async fn take(mysql: &MySqlPool, name: &str) -> Result<Option<Self>, StoreError> {
        Self::take_within(mysql, name, Duration::ZERO).await
    }

    /// The same, but first waits that long for another process to release the lock.
    async fn take_within(mysql: &MySqlPool, name: &str, wait: Duration) -> Result<Option<Self>, StoreError> {
        let mut connection = mysql.acquire().await?;
        // Names have at most 64 characters.
        let take = "SELECT CAST(GET_LOCK(
                        CONCAT('interaction.', LEFT(SHA2(CONCAT(DATABASE(), ' ', ?), 256), 32)), ?) AS SIGNED)";
        let take = query_scalar(take).bind(name).bind(wait.as_secs());
        let got = within(PING + wait, Store::Mysql, take.fetch_one(&mut *connection)).await;
        if matches!(got, Ok(Some(1_i64))) {
            return Ok(Some(Self(Some(connection.detach()))));
        }
        given_back(connection, got).map(|_| None)
    }

    /// Uses the connection now and then to keep it open. Ends only when MySQL does not answer.
    pub(crate) async fn watch(&mut self) -> StoreError {
        loop {
            tokio::time::sleep(PING).await;
            let Some(connection) = &mut self.0 else {
                return StoreError::Other("the lock was released".to_owned());
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

/// Does work while no other process has the lock of that name. Waits for its turn until `stop`.
pub(crate) async fn alone<T>(
    mysql: &MySqlPool,
    name: &str,
    stop: &CancellationToken,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut said = false;
    let mut lock = loop {
        if let Some(lock) = Box::pin(Lock::take_within(mysql, name, TURN)).await? {
            break lock;
        }
        ensure!(!stop.is_cancelled(), "stopped while waiting for another command");
        if !replace(&mut said, true) {
            info!("waiting for another command: an import, an erasure or a deletion");
        }
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        gone = lock.watch() => {
            Err(anyhow::Error::from(gone).context("lost the lock in the middle of the work: run the command again"))
        }
    };
    lock.release().await;
    outcome
}
