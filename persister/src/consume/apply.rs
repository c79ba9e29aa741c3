//! One batch, one transaction.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::{Display, Write as _},
    time::Duration,
};

use contract::{Change, Event, Partition, UserId, Version};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, MySqlPool, query, query_as, query_scalar, raw_sql};

use super::{
    batch::{Collapsed, Erased, Pair},
    sql,
};
use crate::{
    metrics,
    store::mysql::{is_bad_data, is_deadlock},
};

/// A transaction that takes so long waits for a server that has stalled.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a batch is not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// A value that MySQL will never take.
    #[error("MySQL refuses a value: {0}")]
    BadData(sqlx::Error),
    /// Deadlock, lock timeout, lost connection, outage: the same batch may go through later.
    #[error("MySQL: {0}")]
    Passing(sqlx::Error),
    /// No answer.
    #[error("MySQL did not finish a batch within {} s", PATIENCE.as_secs())]
    Stalled,
}

impl ApplyError {
    /// In a word, for the metrics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Passing(error) if is_deadlock(error) => "deadlock",
            Self::BadData(_) | Self::Passing(_) => "error",
            Self::Stalled => "stalled",
        }
    }
}

impl From<sqlx::Error> for ApplyError {
    fn from(error: sqlx::Error) -> Self {
        if is_bad_data(&error) { Self::BadData(error) } else { Self::Passing(error) }
    }
}

/// Applies events so that each has its effect once, however often it comes; all of them or none.
pub(crate) async fn apply(mysql: &MySqlPool, events: &[&Event]) -> Result<(), ApplyError> {
    in_transaction(mysql, events, false).await
}

/// Only remembers that these events have been heard of.
pub(crate) async fn note_seen(mysql: &MySqlPool, events: &[&Event]) -> Result<(), ApplyError> {
    in_transaction(mysql, events, true).await
}

async fn in_transaction(mysql: &MySqlPool, events: &[&Event], only_seen: bool) -> Result<(), ApplyError> {
    let mut connection = mysql.acquire().await?;
    let work = tokio::time::timeout(PATIENCE, transaction(&mut connection, events, only_seen));
    let outcome = work.await.map_or(Err(ApplyError::Stalled), |outcome| outcome.map_err(ApplyError::from));
    if outcome.is_err() {
        // Whatever the transaction's state is, the server ends it with the connection.
        connection.close_on_drop();
    }
    outcome
}

async fn transaction(connection: &mut MySqlConnection, events: &[&Event], only_seen: bool) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    let partitions: BTreeSet<Partition> = events.iter().map(|event| Partition::of(event.article)).collect();
    // Two consumers may hold the same event for a moment around a rebalance. With the partition locked, what is read
    // below is what is there when it is changed.
    run(&mut transaction, sql::lock_partitions(&partitions)).await?;
    let erased = erased(&mut transaction, events).await?;
    let batch = Collapsed::of(events.iter().copied(), &erased);
    if only_seen {
        run(&mut transaction, sql::write_seen(&batch.seen)).await?;
        return transaction.commit().await;
    }
    let written = write(&mut transaction, &batch).await?;
    transaction.commit().await?;
    let likes = events.iter().filter(|event| matches!(event.change, Change::Like(_))).count();
    metrics::LIKES_WRITTEN.add(written as u64, &[]);
    metrics::LIKES_SKIPPED.add((likes - written) as u64, &[]);
    Ok(())
}

/// In the order in which every writer locks the tables (see the migrations). The answer is how many likes were newer than
/// their rows.
async fn write(connection: &mut MySqlConnection, batch: &Collapsed) -> sqlx::Result<usize> {
    let rows = rows_of(connection, batch.likes.keys()).await?;
    let (newer, deltas) = batch.against(&rows);
    run(connection, sql::write_likes(&newer)).await?;
    run(connection, sql::write_user_reads(&batch.user_reads)).await?;
    run(connection, sql::write_stats(&deltas, &batch.reads)).await?;
    let fewer = json(deltas.iter().filter(|(_, delta)| **delta < 0).map(|(article, delta)| [article.get(), -delta]));
    if let Some(fewer) = fewer {
        query(sql::LOWER_COUNTS).bind(fewer).execute(&mut *connection).await?;
    }
    run(connection, sql::write_seen(&batch.seen)).await?;
    Ok(newer.len())
}

async fn run(connection: &mut MySqlConnection, statement: Option<String>) -> sqlx::Result<()> {
    if let Some(statement) = statement {
        raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    }
    Ok(())
}

/// Asked in the batch's transaction, so that an erasure and a redelivery cannot miss each other.
async fn erased(connection: &mut MySqlConnection, events: &[&Event]) -> sqlx::Result<Erased> {
    // Most systems have erased nobody, or few.
    if !query_scalar::<_, bool>(sql::ANY_ERASED).fetch_one(&mut *connection).await? {
        return Ok(Erased::new());
    }
    let users: BTreeSet<UserId> = events.iter().filter_map(|event| event.user).collect();
    let Some(users) = json(users.iter().map(|user| [user.get()])) else { return Ok(Erased::new()) };
    let rows: Vec<(i64, i64)> = query_as(sql::ERASED).bind(users).fetch_all(connection).await?;
    Ok(rows
        .into_iter()
        .filter_map(|(user, at)| Some((user.try_into().ok()?, Timestamp::from_millisecond(at).ok()?)))
        .collect())
}

/// The rows that exist of these pairs: version and status.
pub(crate) async fn rows_of(
    connection: &mut MySqlConnection,
    pairs: impl Iterator<Item = &Pair>,
) -> sqlx::Result<HashMap<Pair, (Version, bool)>> {
    let Some(pairs) = json(pairs.map(|(user, article)| [user.get(), article.get()])) else { return Ok(HashMap::new()) };
    let rows: Vec<(i64, i64, i8, i64, i64)> = query_as(sql::LIKES).bind(pairs).fetch_all(connection).await?;
    Ok(rows
        .into_iter()
        .filter_map(|(user, article, status, ms, seq)| {
            let version = Version { ms: ms.try_into().ok()?, seq: seq.try_into().ok()? };
            Some(((user.try_into().ok()?, article.try_into().ok()?), (version, status != 0)))
        })
        .collect())
}

/// A JSON array of arrays of decimal strings: as JSON numbers, ids past 2^53 might lose digits. None for no rows.
pub(crate) fn json<T: Display, const N: usize>(rows: impl Iterator<Item = [T; N]>) -> Option<String> {
    let mut text = String::from("[");
    for row in rows {
        text.push_str(if text.len() == 1 { "[" } else { ",[" });
        for (place, value) in row.iter().enumerate() {
            let _ = write!(text, "{}\"{value}\"", if place == 0 { "" } else { "," });
        }
        text.push(']');
    }
    text.push(']');
    (text.len() > 2).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strings_in_json() {
        assert_eq!(
            json([[1, i64::MAX], [2, 3]].into_iter()).as_deref(),
            Some(r#"[["1","9223372036854775807"],["2","3"]]"#)
        );
        assert_eq!(json(std::iter::empty::<[i64; 1]>()), None);
    }
}
