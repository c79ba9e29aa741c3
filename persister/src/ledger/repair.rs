//! Repairing the store that follows.

use contract::{ArticleId, Kind, Partition, UserId, scripts::Restate};
use sqlx::{Connection as _, MySqlConnection, MySqlPool, query, query_scalar};

use super::{comparison::Counter, locks::lock_partitions, marks::Marks};
use crate::store::{
    StoreError,
    mysql::retried,
    scripts::{call, refused},
    servers::Servers,
};

/// Restates what Redis has of these users in new events with cause `reconcile`, for kinds that Redis decides. Without
/// users the script corrects the count in Redis. Marks the last change of the outbox.
pub(crate) async fn restate(
    redis: &mut Servers,
    (article, kind): (&ArticleId, Kind),
    users: &[UserId],
    marks: &mut Marks,
) -> Result<(), StoreError> {
    let restate = Restate { kind, article: article.clone(), users };
    let last = call(redis, &restate).await?.map_err(|refusal| refused(&restate, refusal))?;
    marks.add(Partition::of(article.number()), last);
    Ok(())
}

/// Sets a count in MySQL to the number of its rows.
pub(crate) async fn recount(mysql: &MySqlPool, of: Counter) -> Result<(), StoreError> {
    retried(mysql, async |connection| recount_locked(connection, of).await).await
}

/// The partition's lock keeps out consumers that are writing rows, and the count's lock keeps out everybody else.
/// Under READ COMMITTED, what is read after both locks is current.
async fn recount_locked(connection: &mut MySqlConnection, (article, kind): Counter) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    lock_partitions(&mut transaction, [&Partition::of(article)]).await?;
    query(
        "INSERT INTO interaction_count (article_id, kind, count) VALUES (?, ?, 0)
         ON DUPLICATE KEY UPDATE count = count",
    )
    .bind(article.get())
    .bind(kind.code())
    .execute(&mut *transaction)
    .await?;
    let rows: i64 = query_scalar("SELECT COUNT(*) FROM interaction WHERE article_id = ? AND kind = ? AND status = 1")
        .bind(article.get())
        .bind(kind.code())
        .fetch_one(&mut *transaction)
        .await?;
    query("UPDATE interaction_count SET count = ? WHERE article_id = ? AND kind = ?")
        .bind(rows)
        .bind(article.get())
        .bind(kind.code())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}
