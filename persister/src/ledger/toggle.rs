//! Switching kinds whose truth is MySQL: by the procedure that users' requests call too.

use contract::{Cause, Partition, Version, Written};
use sqlx::{MySqlConnection, MySqlPool, query_as};

use crate::store::{StoreError, mysql::is_deadlock};

/// How often it is tried where another transaction stands in the way.
const TRIES: u32 = 5;

/// What a toggle came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Toggled {
    /// Whether it did anything.
    pub(crate) changed: bool,
}

/// Switches a pair on or off, whatever bar there is; where `only` is a version, only a row of that very one. With
/// [`Cause::Reconcile`] nothing changes but the outbox, which gets what the row says once more.
///
/// Tried again only where the server took nothing of it: after an answer that did not arrive, the next one would not say
/// whether this call did it.
pub(crate) async fn toggle(
    mysql: &MySqlPool,
    pair: &Written,
    on: bool,
    cause: Cause,
    only: Option<Version>,
) -> Result<Toggled, StoreError> {
    let mut tries = 1;
    loop {
        let mut connection = mysql.acquire().await?;
        match call(&mut connection, pair, on, cause, only).await {
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
    cause: Cause,
    only: Option<Version>,
) -> sqlx::Result<bool> {
    let (_, changed, _, _): (String, i64, i64, i64) =
        query_as("CALL toggle(?, ?, ?, ?, ?, NULL, ?, ?, ?, '', '', ?, ?)")
            .bind(kind.code())
            .bind(Partition::of(article.number()).get())
            .bind(user.number().get())
            .bind(article.number().get())
            .bind(on)
            .bind(cause.word())
            .bind(only.map(|version| version.ms))
            .bind(only.map(|version| version.seq))
            .bind(user.name())
            .bind(article.name())
            .fetch_one(connection)
            .await?;
    Ok(changed == 1)
}
