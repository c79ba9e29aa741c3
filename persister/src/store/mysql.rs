//! The connection pool of MySQL, and the meaning of its errors.

use std::{str::FromStr as _, time::Duration};

use contract::SESSION;
use futures::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Either, Executor as _, MySql, MySqlConnection, MySqlPool,
    mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlPoolOptions, MySqlQueryResult},
    pool::PoolConnection,
    raw_sql,
};
use tokio::time::timeout;
use tracing::warn;

use super::error::StoreError;

/// The most connections of a process: a consumer's transactions, a rebuild's scan, heartbeats. Only a lock has a connection of its
/// own.
const CONNECTIONS: u32 = 16;
/// How often repeatable work is tried.
const TRIES: u32 = 5;

/// How long a connection that comes back to the pool may take to answer.
const COMES_BACK: Duration = Duration::from_secs(3);

/// Without a FIN, MySQL would hold a vanished machine's locks for hours. And it would drop a scan whose reader does not read for
/// a minute, because it writes elsewhere what it has read.
const TIMEOUTS: &str = ", wait_timeout = 30, net_write_timeout = 600";

/// A pool that connects on first use. Migrations use it too, and the procedures that they create keep its SQL mode.
pub(crate) fn pool(url: &str) -> sqlx::Result<MySqlPool> {
    // sqlx logs slow statements whole by default. A batch has hundreds of kilobytes and says who likes what. SESSION
    // sets the other options.
    let options = MySqlConnectOptions::from_str(url)?
        .disable_statement_logging()
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false);
    let pool = MySqlPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(5))
        // The pool checks at this interval, so it closes an idle connection before the server does (`wait_timeout`).
        .idle_timeout(Duration::from_secs(10))
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(AssertSqlSafe([SESSION, TIMEOUTS].concat())).await?;
                Ok(())
            })
        })
        // Work that was dropped in the middle of a statement leaves its answer to be read. The pool would wait for it without
        // end if MySQL has vanished, and the connection would keep its place.
        .after_release(|connection, _| {
            Box::pin(async move {
                let answer = timeout(COMES_BACK, connection.ping()).await;
                answer.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
            })
        })
        .connect_lazy_with(options);
    Ok(pool)
}

/// Gives a connection back after its work, or closes it if the work failed. The answer to a statement that was given up may
/// still come; the server ends what it had begun with the connection; and one that has become a read-only replica would refuse the
/// next statement, too.
pub(crate) fn given_back<T>(
    mut connection: PoolConnection<MySql>,
    outcome: Result<T, StoreError>,
) -> Result<T, StoreError> {
    if outcome.is_err() {
        connection.close_on_drop();
    }
    outcome
}

/// Runs statements, separated by semicolons, in one transaction that reaches the server as one packet. So the server
/// holds no lock for longer than the statements take, whatever happens to this process or the network. Returns the
/// result of each statement. The text must not contain a value chosen by an outsider.
pub(crate) async fn atomically(mysql: &MySqlPool, statements: &str) -> Result<Vec<MySqlQueryResult>, StoreError> {
    let packet = format!("START TRANSACTION; {statements}; COMMIT");
    let mut connection = mysql.acquire().await?;
    let results: sqlx::Result<Vec<_>> = raw_sql(AssertSqlSafe(packet)).fetch_many(&mut *connection).try_collect().await;
    if results.is_err() {
        // The server ends the transaction with the connection.
        connection.close_on_drop();
    }
    // The first result is that of START TRANSACTION.
    Ok(results?.into_iter().filter_map(Either::left).skip(1).collect())
}

/// Runs work on a connection, and a few times again after an error such as a deadlock or a lost connection.
pub(crate) async fn retried<T>(
    mysql: &MySqlPool,
    work: impl AsyncFn(&mut MySqlConnection) -> sqlx::Result<T>,
) -> Result<T, StoreError> {
    let mut tries = 0;
    loop {
        let mut connection = mysql.acquire().await?;
        match work(&mut connection).await {
            Ok(done) => return Ok(done),
            Err(error) => {
                // The server rolls back what the connection had begun.
                connection.close_on_drop();
                tries += 1;
                if tries == TRIES {
                    return Err(error.into());
                }
                warn!("MySQL, trying again: {error}");
            }
        }
    }
}

/// Whether the server ended this transaction because of a deadlock (1213), or because it waited too long for a lock
/// (1205).
pub(crate) fn is_deadlock(error: &sqlx::Error) -> bool {
    number(error).is_some_and(|number| [1213, 1205].contains(&number))
}

fn number(error: &sqlx::Error) -> Option<u16> {
    error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// Whether the statement can never succeed because a value does not fit: MySQL's classes 22 (data) and 23 (constraint),
/// and numbers that MySQL and MariaDB return without such a class. Everything else (deadlock, lock timeout, lost
/// connection, full disk) may pass and is retried.
pub(crate) fn is_bad_data(error: &sqlx::Error) -> bool {
    /// `CHECK` violated: MySQL 3819, MariaDB 4025; 1366 and 1292 wrong value, 1264 out of range, 1406 too long.
    const NUMBERS: [u16; 6] = [3819, 4025, 1366, 1292, 1264, 1406];
    let Some(error) = error.as_database_error().and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>()) else {
        return false;
    };
    NUMBERS.contains(&error.number())
        || error.code().is_some_and(|state| state.starts_with("22") || state.starts_with("23"))
}
