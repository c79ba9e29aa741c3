//! Deleting a user's rows in MySQL.

use std::collections::BTreeMap;

use contract::{Cause, Kind, Partition, Truth, UserNumber};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, MySqlPool, query, query_as, query_scalar, raw_sql};

use super::{locks::lock_partitions, names};
use crate::store::{StoreError, mysql::retried};

/// Rows of one transaction.
const TOGETHER: usize = 500;

/// How many rows of a user were deleted.
pub(crate) struct Deleted {
    /// Rows by kind, including those of what the user had switched off.
    pub(crate) by_kind: BTreeMap<Kind, u64>,
    pub(crate) reads: u64,
}

/// Waits until no consumer is at work that does not know of the erasure. A consumer's transaction takes the locks of its
/// partitions, then asks who is erased, and keeps the locks until it ends. This takes all locks once, so every transaction that
/// asked earlier has ended.
pub(crate) async fn wait_for_consumers(mysql: &MySqlPool) -> Result<(), StoreError> {
    let all: Vec<Partition> = Partition::all().collect();
    retried(mysql, async |connection| {
        let mut transaction = connection.begin().await?;
        lock_partitions(&mut transaction, &all).await?;
        transaction.commit().await
    })
    .await
}

/// Deletes all rows of the user and lowers the counts that they were part of.
pub(crate) async fn delete(mysql: &MySqlPool, user: UserNumber) -> Result<Deleted, StoreError> {
    let codes: Vec<u8> = query_scalar("SELECT DISTINCT kind FROM interaction WHERE user_id = ? ORDER BY kind")
        .bind(user.get())
        .fetch_all(mysql)
        .await?;
    let mut by_kind: BTreeMap<Kind, u64> = Kind::ALL.iter().map(|kind| (*kind, 0)).collect();
    // Rows of a kind that this release does not know are the user's too.
    for code in codes {
        let deleted = until_none(mysql, async |connection| delete_of(connection, user, code).await).await?;
        if let Some(count) = Kind::from_code(code).and_then(|kind| by_kind.get_mut(&kind)) {
            *count = deleted;
        }
    }
    let reads = until_none(mysql, async |connection| {
        let delete = query("DELETE FROM user_read WHERE user_id = ? LIMIT 500").bind(user.get());
        let deleted = delete.execute(connection).await?.rows_affected();
        Ok((deleted, deleted == TOGETHER as u64))
    })
    .await?;
    // The name goes last: until then, it shows whose erasure was interrupted.
    retried(mysql, async |connection| names::forget(connection, user).await).await?;
    Ok(Deleted { by_kind, reads })
}

/// Repeats the work as long as it says that there may be more. Returns how much it deleted in all.
async fn until_none(
    mysql: &MySqlPool,
    work: impl AsyncFn(&mut MySqlConnection) -> sqlx::Result<(u64, bool)>,
) -> Result<u64, StoreError> {
    let mut total = 0;
    loop {
        let (deleted, more) = retried(mysql, &work).await?;
        total += deleted;
        if !more {
            return Ok(total);
        }
    }
}

/// Deletes some rows of one kind. Locks the tables in the order of every writer (see the migrations).
async fn delete_of(connection: &mut MySqlConnection, user: UserNumber, code: u8) -> sqlx::Result<(u64, bool)> {
    let mut transaction = connection.begin().await?;
    // Finds the first rows by the user's index, then locks them in the order of the primary key. One statement for both would
    // read and lock all rows of the user each time.
    let articles: Vec<i64> = query_scalar(
        "SELECT article_id FROM interaction FORCE INDEX (by_user) WHERE user_id = ? AND kind = ? LIMIT 500",
    )
    .bind(user.get())
    .bind(code)
    .fetch_all(&mut *transaction)
    .await?;
    let Some(first) = list(articles.iter().copied()) else { return Ok((0, false)) };
    let rows: Vec<(i64, u8, i8, i64)> = query_as(AssertSqlSafe(format!(
        "SELECT article_id, p, status, version_ms FROM interaction FORCE INDEX (PRIMARY)
         WHERE article_id IN ({first}) AND kind = {code} AND user_id = {user} ORDER BY article_id FOR UPDATE"
    )))
    .fetch_all(&mut *transaction)
    .await?;
    if let Some(list) = list(rows.iter().map(|(article, ..)| *article)) {
        let delete =
            format!("DELETE FROM interaction WHERE article_id IN ({list}) AND kind = {code} AND user_id = {user}");
        raw_sql(AssertSqlSafe(delete)).execute(&mut *transaction).await?;
    }
    // Redis may have switched a pair off, but that event is not applied any more: the row is still on, and counted.
    let on: Vec<_> = rows.iter().filter(|(.., status, _)| *status == 1).collect();
    if Kind::from_code(code).is_some_and(|kind| kind.truth() == Truth::Mysql) {
        for (article, p, _, version_ms) in &on {
            tell(&mut transaction, (*article, code, user), *p, *version_ms).await?;
        }
    }
    if let Some(list) = list(on.iter().map(|(article, ..)| *article)) {
        let lower = format!(
            "UPDATE interaction_count SET count = GREATEST(count - 1, 0)
             WHERE article_id IN ({list}) AND kind = {code} ORDER BY article_id"
        );
        raw_sql(AssertSqlSafe(lower)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok((rows.len() as u64, articles.len() == TOGETHER))
}

/// Writes the change into the outbox, as the procedure `toggle` does, so that log and projection follow.
async fn tell(
    connection: &mut MySqlConnection,
    (article, code, user): (i64, u8, UserNumber),
    partition: u8,
    version_ms: i64,
) -> sqlx::Result<()> {
    query(
        "INSERT INTO outbox (p, kind, user_id, article_id, status, version_ms, cause, at_ms, request_id, ip_hash,
                             user_name, article_name)
         SELECT ?, ?, ?, ?, 0, GREATEST(t.now_ms, ?), ?, t.now_ms, '', '',
                (SELECT text FROM name WHERE kind = 'user' AND number = ?),
                (SELECT text FROM name WHERE kind = 'article' AND number = ?)
         FROM (SELECT CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED) AS now_ms) t",
    )
    .bind(partition)
    .bind(code)
    .bind(user.get())
    .bind(article)
    .bind(version_ms)
    .bind(Cause::Erase.word())
    .bind(user.get())
    .bind(article)
    .execute(connection)
    .await?;
    Ok(())
}

/// The numbers as a list for SQL. None if there are none.
fn list(articles: impl Iterator<Item = i64>) -> Option<String> {
    let list = articles.map(|article| article.to_string()).collect::<Vec<_>>().join(",");
    (!list.is_empty()).then_some(list)
}
