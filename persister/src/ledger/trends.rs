//! The ranking of articles by counter, the history of the events in the stream, and the checkpoint from which their job goes
//! on. One transaction changes all of them.

use std::time::Duration;

use contract::{ArticleNumber, Counter};
use jiff::Timestamp;
use sqlx::{
    AssertSqlSafe, Connection as _, MySqlConnection, MySqlExecutor, MySqlPool, QueryBuilder, query, query_as,
    query_scalar,
};

use super::{
    deleted::{self, Lately},
    history::{self, Changes, Viewed},
};
use crate::store::{Store, StoreError, mysql::given_back, within};

/// A transaction that takes longer waits for a stalled server. It has this time, and more for each row of the history.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_A_ROW: Duration = Duration::from_millis(1);

/// The code of the row that belongs to no counter.
pub(crate) const COMMON: u8 = 0;

/// The state that was written last.
pub(crate) struct Written {
    /// How often the state was written.
    pub(crate) writes: i64,
    /// The part that belongs to no counter.
    pub(crate) common: Vec<u8>,
    pub(crate) by_counter: Vec<(Counter, Vec<u8>)>,
}

/// What one transaction writes.
pub(crate) struct Update<'a, P, T> {
    /// How often the state was written before. If another process has written it meanwhile, nothing is written.
    pub(crate) writes: i64,
    pub(crate) checkpoint: Option<Checkpoint<'a, P>>,
    pub(crate) ranking: Option<Ranking<T>>,
}

/// The state from which the next process goes on.
pub(crate) struct Checkpoint<'a, P> {
    /// The parts of the state by code, that of [`COMMON`] first. Each is small enough for one statement.
    pub(crate) parts: P,
    /// The changes that the history does not have yet.
    pub(crate) changes: &'a Changes,
    /// The page views and visitors that the state now includes.
    pub(crate) viewed: &'a [Viewed],
}

/// The articles whose counter gained most within a span, best first, each with its gain.
pub(crate) struct Top {
    pub(crate) span: &'static str,
    pub(crate) counter: Counter,
    pub(crate) articles: Vec<(ArticleNumber, i64)>,
}

/// The ranking to show, and its moment.
pub(crate) struct Ranking<T> {
    pub(crate) as_of: Timestamp,
    /// Makes the rankings. For an article that was deleted lately, only what it has gained since counts.
    pub(crate) tops: T,
}

/// Reads the state that was written last. None if there is none. Leaves out counters that this release does not know.
pub(crate) async fn load(mysql: &MySqlPool) -> Result<Option<Written>, StoreError> {
    let rows: Vec<(u8, i64, Vec<u8>)> = query_as("SELECT kind, writes, state FROM trends").fetch_all(mysql).await?;
    let (mut common, mut by_counter) = (None, Vec::new());
    for (code, writes, state) in rows {
        if code == COMMON {
            common = Some((writes, state));
        } else if let Some(counter) = Counter::from_code(code) {
            by_counter.push((counter, state));
        }
    }
    Ok(common.map(|(writes, common)| Written { writes, common, by_counter }))
}

/// Writes everything or nothing. Returns the size of the state in bytes. After an error, load the state again: it is not known
/// whether it was written.
pub(crate) async fn write(
    mysql: &MySqlPool,
    update: Update<'_, impl Iterator<Item = (u8, Vec<u8>)>, impl FnOnce(&Lately) -> Vec<Top>>,
) -> Result<usize, StoreError> {
    let mut connection = mysql.acquire().await?;
    let rows = update.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.changes.len());
    let patience = PATIENCE + PATIENCE_A_ROW * u32::try_from(rows).unwrap_or(u32::MAX);
    let outcome = within(patience, Store::Mysql, transaction(&mut connection, update)).await;
    given_back(connection, outcome)
}

async fn transaction(
    connection: &mut MySqlConnection,
    update: Update<'_, impl Iterator<Item = (u8, Vec<u8>)>, impl FnOnce(&Lately) -> Vec<Top>>,
) -> Result<usize, StoreError> {
    let mut transaction = connection.begin().await?;
    // First, since the lock of this row also keeps two processes from replacing the rest at once.
    let writes: Option<i64> = query_scalar("SELECT writes FROM trends WHERE kind = ? FOR UPDATE")
        .bind(COMMON)
        .fetch_optional(&mut *transaction)
        .await?;
    if writes.unwrap_or_default() != update.writes {
        return Err(StoreError::Other("another process has counted meanwhile".to_owned()));
    }
    let mut bytes = 0;
    if let Some(Checkpoint { parts, changes, viewed }) = update.checkpoint {
        for (code, state) in parts {
            bytes += state.len();
            part(&mut transaction, (code, update.writes + 1), state).await?;
        }
        // A deletion takes the lock of the first row too, so it is either known here, or finds what is added here.
        let firsts = history::firsts(changes);
        let deleted = deleted::since(&mut transaction, firsts.into_iter()).await?;
        history::add(&mut transaction, changes, &deleted).await?;
        history::take_viewed(&mut transaction, viewed).await?;
    }
    if let Some(Ranking { as_of, tops }) = update.ranking {
        let lately = Lately::read(&mut transaction).await?;
        rank(&mut transaction, as_of, tops(&lately)).await?;
    }
    transaction.commit().await?;
    Ok(bytes)
}

async fn part(connection: &mut MySqlConnection, (code, writes): (u8, i64), state: Vec<u8>) -> sqlx::Result<()> {
    const INSERT: &str = "INSERT INTO trends (kind, writes, state) VALUES (?, ?, ?)";
    const UPDATE: &str = " ON DUPLICATE KEY UPDATE writes = VALUES(writes), state = VALUES(state)";
    // A missing row cannot be locked. If two processes both write the first state, one of them fails here.
    let first = code == COMMON && writes == 1;
    query(AssertSqlSafe(format!("{INSERT}{}", if first { "" } else { UPDATE })))
        .bind(code)
        .bind(writes)
        .bind(state)
        .execute(connection)
        .await?;
    Ok(())
}

/// Replaces the ranking. Call it only after the state was written once.
async fn rank(connection: &mut MySqlConnection, as_of: Timestamp, tops: Vec<Top>) -> sqlx::Result<()> {
    query("UPDATE trends SET as_of = ? WHERE kind = ?")
        .bind(as_of.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string())
        .bind(COMMON)
        .execute(&mut *connection)
        .await?;
    query("DELETE FROM ranking").execute(&mut *connection).await?;
    for Top { span, counter, articles } in tops {
        if articles.is_empty() {
            continue;
        }
        let mut insert = QueryBuilder::new("INSERT INTO ranking (span, kind, place, article_id, gained) ");
        insert.push_values((1_i32..).zip(articles), |mut row, (place, (article, gained))| {
            row.push_bind(span).push_bind(counter.code()).push_bind(place).push_bind(article.get()).push_bind(gained);
        });
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// The age of the ranking in microseconds. None if there is no ranking.
pub(super) async fn age(mysql: impl MySqlExecutor<'_>) -> Result<Option<i64>, StoreError> {
    let micros: Option<Option<i64>> =
        query_scalar("SELECT TIMESTAMPDIFF(MICROSECOND, as_of, UTC_TIMESTAMP(3)) FROM trends WHERE kind = ?")
            .bind(COMMON)
            .fetch_optional(mysql)
            .await?;
    Ok(micros.flatten())
}
