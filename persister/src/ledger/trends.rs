//! The ranking of liked articles, and what its job goes on from: both change in one transaction.

use std::time::Duration;

use contract::ArticleId;
use jiff::Timestamp;
use sqlx::{Connection as _, MySqlConnection, MySqlPool, QueryBuilder, query, query_scalar};

use crate::store::{Store, StoreError, within};

/// A transaction that takes so long waits for a server that has stalled.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is shown: of which moment it is, and by each span's name, its articles with their likes, best first.
pub(crate) struct Ranking {
    pub(crate) as_of: Timestamp,
    pub(crate) tops: Vec<(&'static str, Vec<(ArticleId, i64)>)>,
}

/// The state that was written last; none if nothing was.
pub(crate) async fn load(mysql: &MySqlPool) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(query_scalar("SELECT state FROM trends").fetch_optional(mysql).await?)
}

/// Writes the state; and the ranking, if there is a new one.
pub(crate) async fn write(mysql: &MySqlPool, state: Vec<u8>, ranking: Option<Ranking>) -> Result<(), StoreError> {
    let mut connection = mysql.acquire().await?;
    let outcome = within(PATIENCE, Store::Mysql, transaction(&mut connection, state, ranking)).await;
    if outcome.is_err() {
        // Whatever the transaction's state is, the server ends it with the connection.
        connection.close_on_drop();
    }
    outcome
}

async fn transaction(connection: &mut MySqlConnection, state: Vec<u8>, ranking: Option<Ranking>) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    // First, since its one row is also the lock that keeps two processes from replacing the ranking at once.
    query(
        "INSERT INTO trends (one, as_of, state) VALUES (1, ?, ?)
         ON DUPLICATE KEY UPDATE as_of = COALESCE(VALUES(as_of), as_of), state = VALUES(state)",
    )
    .bind(ranking.as_ref().map(|ranking| ranking.as_of.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()))
    .bind(state)
    .execute(&mut *transaction)
    .await?;
    if let Some(Ranking { tops, .. }) = ranking {
        rank(&mut transaction, tops).await?;
    }
    transaction.commit().await
}

async fn rank(connection: &mut MySqlConnection, tops: Vec<(&str, Vec<(ArticleId, i64)>)>) -> sqlx::Result<()> {
    query("DELETE FROM top_liked").execute(&mut *connection).await?;
    for (span, top) in tops {
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

/// How long ago the moment is that the ranking is of, in microseconds; none if there is no ranking.
pub(super) async fn age(mysql: &MySqlPool) -> Result<Option<i64>, StoreError> {
    let micros: Option<Option<i64>> =
        query_scalar("SELECT TIMESTAMPDIFF(MICROSECOND, as_of, UTC_TIMESTAMP(3)) FROM trends")
            .fetch_optional(mysql)
            .await?;
    Ok(micros.flatten())
}
