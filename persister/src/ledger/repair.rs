//! Making MySQL follow Redis.

use contract::{ArticleId, Partition, keys, scripts};
use sqlx::{Connection as _, MySqlConnection, MySqlPool, query, query_scalar};

use super::{locks::lock_partitions, marks::Marks};
use crate::store::{
    StoreError,
    mysql::retried,
    scripts::{call, run_script},
    servers::Servers,
};

/// Says the state of these likes again, in new events with cause `reconcile`. Without any user too: the script looks at
/// the count. Marks the last change of the outbox.
pub(crate) async fn restate(
    redis: &mut Servers,
    article: ArticleId,
    users: &[i64],
    marks: &mut Marks,
) -> Result<(), StoreError> {
    let partition = Partition::of(article);
    let keys = [keys::warm(partition), keys::outbox(partition), keys::likes(article), keys::members(article)];
    let mut restate = call(&scripts::RESTATE, keys);
    restate.arg(redis.name(partition)?).arg(article.get()).arg(users);
    let answer: Vec<String> = run_script(redis, restate).await?;
    if answer.len() != 3 {
        return Err(StoreError::Other(format!("article {article}: its partition is not warm any more")));
    }
    marks.add_text(partition, &answer[1])
}

/// Sets an article's count in MySQL to the number of its likes.
pub(crate) async fn recount(mysql: &MySqlPool, article: ArticleId) -> Result<(), StoreError> {
    retried(mysql, async |connection| recount_locked(connection, article).await).await
}

/// With the partition locked no consumer has likes in hand that are counted later; with the row locked nobody changes
/// the count. What is read after both is what is there, READ COMMITTED.
async fn recount_locked(connection: &mut MySqlConnection, article: ArticleId) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    lock_partitions(&mut transaction, [&Partition::of(article)]).await?;
    query(
        "INSERT INTO article_stats (article_id, updated_at) VALUES (?, UTC_TIMESTAMP(3))
         ON DUPLICATE KEY UPDATE updated_at = VALUES(updated_at)",
    )
    .bind(article.get())
    .execute(&mut *transaction)
    .await?;
    let likes: i64 = query_scalar("SELECT COUNT(*) FROM user_like WHERE article_id = ? AND status = 1")
        .bind(article.get())
        .fetch_one(&mut *transaction)
        .await?;
    query("UPDATE article_stats SET like_count = ? WHERE article_id = ?")
        .bind(likes)
        .bind(article.get())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}
