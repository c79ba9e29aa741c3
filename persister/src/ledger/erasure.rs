//! Deleting a user's rows in MySQL.

use contract::{Partition, UserId};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, MySqlPool, query, query_as, query_scalar, raw_sql};

use super::locks::lock_partitions;
use crate::store::{StoreError, mysql::retried};

/// Rows of one transaction.
const TOGETHER: usize = 500;

/// How many rows of a user were deleted.
pub(crate) struct Deleted {
    /// Of likes taken back by the user too.
    pub(crate) likes: u64,
    pub(crate) collects: u64,
    pub(crate) reads: u64,
}

/// A consumer's transaction holds the locks of its partitions, and asks who is erased after it has them: with all of
/// them had once, no consumer is left that asked before now.
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
pub(crate) async fn delete(mysql: &MySqlPool, user: UserId) -> Result<Deleted, StoreError> {
    let likes = until_none(mysql, async |connection| delete_likes(connection, user).await).await?;
    let reads = until_none(mysql, async |connection| {
        let delete = query("DELETE FROM user_read WHERE user_id = ? LIMIT 500").bind(user.get());
        Ok(delete.execute(connection).await?.rows_affected())
    })
    .await?;
    let collects = until_none(mysql, async |connection| delete_collects(connection, user).await).await?;
    Ok(Deleted { likes, collects, reads })
}

async fn until_none(
    mysql: &MySqlPool,
    work: impl AsyncFn(&mut MySqlConnection) -> sqlx::Result<u64>,
) -> Result<u64, StoreError> {
    let mut total = 0;
    loop {
        let done = retried(mysql, &work).await?;
        total += done;
        if done < TOGETHER as u64 {
            return Ok(total);
        }
    }
}

async fn delete_likes(connection: &mut MySqlConnection, user: UserId) -> sqlx::Result<u64> {
    let mut transaction = connection.begin().await?;
    let rows: Vec<(i64, i8)> =
        query_as("SELECT article_id, status FROM user_like WHERE user_id = ? ORDER BY article_id LIMIT 500 FOR UPDATE")
            .bind(user.get())
            .fetch_all(&mut *transaction)
            .await?;
    delete_of(&mut transaction, "user_like", user, rows.iter().map(|(article, _)| *article)).await?;
    // An unlike that was on its way is not applied any more: its row still counts here.
    let counted = rows.iter().filter(|(_, status)| *status == 1).map(|(article, _)| *article);
    lower(&mut transaction, "like_count", counted).await?;
    transaction.commit().await?;
    Ok(rows.len() as u64)
}

/// With the entries of its outbox, as the collect procedure makes them, so that the log tells where the favourites
/// went.
async fn delete_collects(connection: &mut MySqlConnection, user: UserId) -> sqlx::Result<u64> {
    let mut transaction = connection.begin().await?;
    let articles: Vec<i64> =
        query_scalar("SELECT article_id FROM user_collect WHERE user_id = ? ORDER BY article_id LIMIT 500 FOR UPDATE")
            .bind(user.get())
            .fetch_all(&mut *transaction)
            .await?;
    delete_of(&mut transaction, "user_collect", user, articles.iter().copied()).await?;
    for article in &articles {
        query(
            "INSERT INTO collect_outbox (user_id, article_id, status, at_ms, request_id, ip_hash, cause)
             VALUES (?, ?, 0, CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED), '', '', 'erase')",
        )
        .bind(user.get())
        .bind(article)
        .execute(&mut *transaction)
        .await?;
    }
    lower(&mut transaction, "collect_count", articles.iter().copied()).await?;
    transaction.commit().await?;
    Ok(articles.len() as u64)
}

async fn delete_of(
    connection: &mut MySqlConnection,
    table: &str,
    user: UserId,
    articles: impl Iterator<Item = i64>,
) -> sqlx::Result<()> {
    if let Some(list) = list(articles) {
        let delete = format!("DELETE FROM {table} WHERE user_id = {user} AND article_id IN ({list})");
        raw_sql(AssertSqlSafe(delete)).execute(connection).await?;
    }
    Ok(())
}

/// In the order in which every writer locks the articles.
async fn lower(connection: &mut MySqlConnection, count: &str, articles: impl Iterator<Item = i64>) -> sqlx::Result<()> {
    if let Some(list) = list(articles) {
        let lower = format!(
            "UPDATE article_stats SET {count} = GREATEST({count} - 1, 0)
             WHERE article_id IN ({list}) ORDER BY article_id"
        );
        raw_sql(AssertSqlSafe(lower)).execute(connection).await?;
    }
    Ok(())
}

/// Numbers only; none for none.
fn list(articles: impl Iterator<Item = i64>) -> Option<String> {
    let list = articles.map(|article| article.to_string()).collect::<Vec<_>>().join(",");
    (!list.is_empty()).then_some(list)
}
