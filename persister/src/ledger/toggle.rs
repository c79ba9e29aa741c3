//! Switching kinds whose truth is MySQL, by the procedure that users' requests call.

use contract::{Cause, Partition, Version, Written};
use sqlx::{MySqlConnection, MySqlPool, query_as};

use crate::store::{StoreError, mysql::is_deadlock};

/// How often a call is tried while another transaction is in the way.
const TRIES: u32 = 5;

/// The result of a toggle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Toggled {
    /// Whether it changed anything.
    pub(crate) changed: bool,
}

/// Switches a pair on or off, whether or not the user is barred. With `only`, it changes only a row of that version.
/// With [`Cause::Reconcile`] only the outbox changes: it gets the row's state again.
///
/// Tried again only if the server did nothing. If an answer was lost, a second one would not say whether the first call
/// made the change.
pub(crate) async fn toggle(
    mysql: &MySqlPool,
    pair: &Written,
    on: bool,
    cause: Cause,
    only: Option<Version>,
) -> Result<Toggled, StoreError> {
    called(mysql, pair, on, (cause.word(), only)).await
}

/// Switches a pair on at a time in the past, unless it has a row. Retried like [`toggle`].
pub(crate) async fn import(mysql: &MySqlPool, pair: &Written, at: Version) -> Result<Toggled, StoreError> {
    called(mysql, pair, true, (IMPORT, Some(at))).await
}

/// A cause that only the procedure knows: an imported row causes no event.
const IMPORT: &str = "import";

async fn called(
    mysql: &MySqlPool,
    pair: &Written,
    on: bool,
    why: (&str, Option<Version>),
) -> Result<Toggled, StoreError> {
    let mut tries = 1;
    loop {
        let mut connection = mysql.acquire().await?;
        match call(&mut connection, pair, on, why).await {
            Ok(changed) => return Ok(Toggled { changed }),
            Err(error) if is_deadlock(&error) && tries < TRIES => tries += 1,
            Err(error) => {
                connection.close_on_drop();
                return Err(error.into());
            }
        }
    }
}

async fn call(
    connection: &mut MySqlConnection,
    Written { kind, user, article }: &Written,
    on: bool,
    (cause, version): (&str, Option<Version>),
) -> sqlx::Result<bool> {
    let (_, changed, _, _): (String, i64, i64, i64) =
        query_as("CALL toggle(?, ?, ?, ?, ?, NULL, ?, ?, ?, '', '', ?, ?)")
            .bind(kind.code())
            .bind(Partition::of(article.number()).get())
            .bind(user.number().get())
            .bind(article.number().get())
            .bind(on)
            .bind(cause)
            .bind(version.map(|version| version.ms))
            .bind(version.map(|version| version.seq))
            .bind(user.name())
            .bind(article.name())
            .fetch_one(connection)
            .await?;
    Ok(changed == 1)
}
