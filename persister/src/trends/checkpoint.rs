//! The job's state and its ranking in MySQL: both change in one transaction.

use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use sqlx::{Connection as _, MySqlConnection, MySqlPool, QueryBuilder, query, query_scalar};
use tracing::warn;

use super::state::State;

/// Articles of a ranking.
const PLACES: usize = 100;
/// A transaction that takes so long waits for a server that has stalled.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was written last; none if nothing was, or by a release that wrote it otherwise.
pub(super) async fn load(mysql: &MySqlPool) -> anyhow::Result<Option<State>> {
    let state: Option<Vec<u8>> =
        query_scalar("SELECT state FROM trends").fetch_optional(mysql).await.context("MySQL")?;
    let Some(state) = state else { return Ok(None) };
    let read = serde_json::from_slice(&state);
    Ok(read.inspect_err(|error| warn!("the checkpoint is not of this release, counting anew: {error}")).ok())
}

/// Writes the state; and the ranking, where it is known of which moment it is.
pub(super) async fn write(mysql: &MySqlPool, state: &State, as_of: Option<Timestamp>) -> anyhow::Result<()> {
    let json = serde_json::to_vec(state)?;
    let mut connection = mysql.acquire().await.context("MySQL")?;
    let work = tokio::time::timeout(PATIENCE, transaction(&mut connection, state, json, as_of));
    let outcome = work.await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    if outcome.is_err() {
        // Whatever the transaction's state is, the server ends it with the connection.
        connection.close_on_drop();
    }
    outcome.context("MySQL")
}

async fn transaction(
    connection: &mut MySqlConnection,
    state: &State,
    json: Vec<u8>,
    as_of: Option<Timestamp>,
) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    // First, since its one row is also the lock that keeps two processes from replacing the ranking at once.
    query(
        "INSERT INTO trends (one, as_of, state) VALUES (1, ?, ?)
         ON DUPLICATE KEY UPDATE as_of = COALESCE(VALUES(as_of), as_of), state = VALUES(state)",
    )
    .bind(as_of.map(|at| at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()))
    .bind(json)
    .execute(&mut *transaction)
    .await?;
    if as_of.is_some() {
        rank(&mut transaction, state).await?;
    }
    transaction.commit().await
}

async fn rank(connection: &mut MySqlConnection, state: &State) -> sqlx::Result<()> {
    query("DELETE FROM top_liked").execute(&mut *connection).await?;
    for (span, top) in state.tops(PLACES) {
        if top.is_empty() {
            continue;
        }
        let mut insert = QueryBuilder::new("INSERT INTO top_liked (span, place, article_id, likes) ");
        insert.push_values((1_i32..).zip(top), |mut row, (place, (article, likes))| {
            row.push_bind(span).push_bind(place).push_bind(article.get()).push_bind(likes);
        });
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}
