//! The ranking of articles by kind, and what its job goes on from: all of it changes in one transaction.

use std::time::Duration;

use contract::{ArticleNumber, Kind};
use jiff::Timestamp;
use sqlx::{Connection as _, MySqlConnection, MySqlPool, QueryBuilder, query, query_as, query_scalar};

use super::deleted::Lately;
use crate::store::{Store, StoreError, within};

/// A transaction that takes so long waits for a server that has stalled.
const PATIENCE: Duration = Duration::from_secs(30);

/// The row of what is of no kind.
const COMMON: u8 = 0;

/// What the job goes on from, each part small enough for one statement.
pub(crate) struct Parts {
    /// Of no kind.
    pub(crate) common: Vec<u8>,
    pub(crate) by_kind: Vec<(Kind, Vec<u8>)>,
}

/// The articles that gained most of a kind within a span, best first, each with how many.
pub(crate) struct Top {
    pub(crate) span: &'static str,
    pub(crate) kind: Kind,
    pub(crate) articles: Vec<(ArticleNumber, i64)>,
}

/// What is shown, and of which moment it is.
pub(crate) struct Ranking<T> {
    pub(crate) as_of: Timestamp,
    /// Of what was deleted lately, only what was gained since is shown.
    pub(crate) tops: T,
}

/// What was written last; none if nothing was. A kind that this release does not know is left out.
pub(crate) async fn load(mysql: &MySqlPool) -> Result<Option<Parts>, StoreError> {
    let rows: Vec<(u8, Vec<u8>)> = query_as("SELECT kind, state FROM trends").fetch_all(mysql).await?;
    let (mut common, mut by_kind) = (None, Vec::new());
    for (code, state) in rows {
        if code == COMMON {
            common = Some(state);
        } else if let Some(kind) = Kind::from_code(code) {
            by_kind.push((kind, state));
        }
    }
    Ok(common.map(|common| Parts { common, by_kind }))
}

/// Writes the state; and the ranking, if there is a new one.
pub(crate) async fn write(
    mysql: &MySqlPool,
    state: Parts,
    ranking: Option<Ranking<impl FnOnce(&Lately) -> Vec<Top>>>,
) -> Result<(), StoreError> {
    let mut connection = mysql.acquire().await?;
    let outcome = within(PATIENCE, Store::Mysql, transaction(&mut connection, state, ranking)).await;
    if outcome.is_err() {
        // Whatever the transaction's state is, the server ends it with the connection.
        connection.close_on_drop();
    }
    outcome
}

async fn transaction(
    connection: &mut MySqlConnection,
    state: Parts,
    ranking: Option<Ranking<impl FnOnce(&Lately) -> Vec<Top>>>,
) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    let as_of = ranking.as_ref().map(|ranking| ranking.as_of.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string());
    // First, since this row is also the lock that keeps two processes from replacing the rest at once.
    part(&mut transaction, COMMON, as_of, state.common).await?;
    for (kind, state) in state.by_kind {
        part(&mut transaction, kind.code(), None, state).await?;
    }
    if let Some(Ranking { tops, .. }) = ranking {
        let lately = Lately::read(&mut transaction).await?;
        rank(&mut transaction, tops(&lately)).await?;
    }
    transaction.commit().await
}

async fn part(connection: &mut MySqlConnection, code: u8, as_of: Option<String>, state: Vec<u8>) -> sqlx::Result<()> {
    query(
        "INSERT INTO trends (kind, as_of, state) VALUES (?, ?, ?)
         ON DUPLICATE KEY UPDATE as_of = COALESCE(VALUES(as_of), as_of), state = VALUES(state)",
    )
    .bind(code)
    .bind(as_of)
    .bind(state)
    .execute(connection)
    .await?;
    Ok(())
}

async fn rank(connection: &mut MySqlConnection, tops: Vec<Top>) -> sqlx::Result<()> {
    query("DELETE FROM ranking").execute(&mut *connection).await?;
    for Top { span, kind, articles } in tops {
        if articles.is_empty() {
            continue;
        }
        let mut insert = QueryBuilder::new("INSERT INTO ranking (span, kind, place, article_id, gained) ");
        insert.push_values((1_i32..).zip(articles), |mut row, (place, (article, gained))| {
            row.push_bind(span).push_bind(kind.code()).push_bind(place).push_bind(article.get()).push_bind(gained);
        });
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// How long ago the moment is that the ranking is of, in microseconds; none if there is no ranking.
pub(super) async fn age(mysql: &MySqlPool) -> Result<Option<i64>, StoreError> {
    let micros: Option<Option<i64>> =
        query_scalar("SELECT TIMESTAMPDIFF(MICROSECOND, as_of, UTC_TIMESTAMP(3)) FROM trends WHERE kind = ?")
            .bind(COMMON)
            .fetch_optional(mysql)
            .await?;
    Ok(micros.flatten())
}
