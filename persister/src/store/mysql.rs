//! MySQL: the pool, and which errors mean what.

use std::{str::FromStr as _, time::Duration};

use contract::SESSION;
use futures::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Either, Executor as _, MySqlConnection, MySqlPool,
    mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlPoolOptions, MySqlQueryResult},
    raw_sql,
};
use tracing::warn;

use super::error::StoreError;

/// Every job together holds at most as many: a consumer's transactions, a rebuild's scan and its lock, heartbeats.
const CONNECTIONS: u32 = 16;
/// How often work is tried that may be repeated.
const TRIES: u32 = 5;

/// Without a FIN, MySQL would hold a vanished machine's locks for hours.
const ENDS_WHEN_IDLE: &str = ", wait_timeout = 30";

/// A pool that connects when it is used. Migrations run on it too, and the procedures that they create keep its mode.
pub(crate) fn pool(url: &str) -> sqlx::Result<MySqlPool> {
    // sqlx logs statements whole, slow ones by default: a batch's is hundreds of kilobytes, and tells who likes what.
    // What it would set itself is in SESSION.
    let options = MySqlConnectOptions::from_str(url)?
        .disable_statement_logging()
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false);
    let pool = MySqlPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(5))
        // The pool looks as often as that, so an idle connection goes before the server ends it: see below.
        .idle_timeout(Duration::from_secs(10))
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(AssertSqlSafe([SESSION, ENDS_WHEN_IDLE].concat())).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options);
    Ok(pool)
}

/// Runs statements, separated by semicolons, in one transaction that reaches the server as one packet: whatever becomes of
/// this process or of the network meanwhile, the server holds no lock of it for longer than the statements take. What each
/// statement did, in their order. No value that an outsider chose may be in their text.
pub(crate) async fn atomically(mysql: &MySqlPool, statements: &str) -> Result<Vec<MySqlQueryResult>, StoreError> {
    let packet = format!("START TRANSACTION; {statements}; COMMIT");
    let mut connection = mysql.acquire().await?;
    let results: sqlx::Result<Vec<_>> = raw_sql(AssertSqlSafe(packet)).fetch_many(&mut *connection).try_collect().await;
    if results.is_err() {
        // Whatever the transaction's state is, the server ends it with the connection.
        connection.close_on_drop();
    }
    // The first is of the transaction's begin.
    Ok(results?.into_iter().filter_map(Either::left).skip(1).collect())
}

/// Does work on a connection; again after an error such as a deadlock or a lost connection, a few times.
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
                // The server ends what it had begun.
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

/// Whether the server chose this transaction to end a deadlock (1213), or it waited for a lock in vain (1205).
pub(crate) fn is_deadlock(error: &sqlx::Error) -> bool {
    number(error).is_some_and(|number| [1213, 1205].contains(&number))
}

fn number(error: &sqlx::Error) -> Option<u16> {
    error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// Whether the statement can never succeed, since a value of it does not fit: MySQL's classes 22 (data) and 23
/// (constraint), and the numbers that MySQL and MariaDB give without such a class. All else (deadlock, lock timeout, a
/// connection lost, a disk full) may pass and is retried.
pub(crate) fn is_bad_data(error: &sqlx::Error) -> bool {
    /// `CHECK` violated: MySQL 3819, MariaDB 4025; 1366 and 1292 wrong value, 1264 out of range, 1406 too long.
    const NUMBERS: [u16; 6] = [3819, 4025, 1366, 1292, 1264, 1406];
    let Some(error) = error.as_database_error().and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>()) else {
        return false;
    };
    NUMBERS.contains(&error.number())
        || error.code().is_some_and(|state| state.starts_with("22") || state.starts_with("23"))
}
