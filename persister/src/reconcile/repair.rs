//! Making MySQL follow Redis.

use anyhow::{Context as _, ensure};
use contract::{ArticleId, Partition, keys, scripts};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, MySqlPool, query, query_scalar, raw_sql};
use tracing::warn;

use super::{Difference, Suspects, Work};
use crate::{
    consume::lock_partitions,
    settle::{Marks, mark, settle},
    store::redis::{call, run_script},
};

const PER_CALL: usize = 500;
const TRIES: u32 = 5;

/// Repairs, and waits until it is done; the articles concerned.
pub(super) async fn repair(work: &mut Work<'_>, differences: &[Difference]) -> anyhow::Result<Vec<ArticleId>> {
    let mut concerned = Suspects::new();
    for difference in differences {
        concerned.entry(difference.article_id).or_default().extend(difference.user_id);
    }
    let mut marks = Marks::new();
    for (article, users) in &concerned {
        let users: Vec<i64> = users.iter().map(|user| user.get()).collect();
        // Without any user too: the script looks at the count.
        let parts = if users.is_empty() { vec![&users[..]] } else { users.chunks(PER_CALL).collect() };
        for users in parts {
            let partition = Partition::of(*article);
            let keys = [keys::warm(partition), keys::outbox(partition), keys::likes(*article), keys::members(*article)];
            let mut restate = call(&scripts::RESTATE, keys);
            restate.arg(work.redis.name(partition).context("Redis")?).arg(article.get()).arg(users);
            let answer: Vec<String> = run_script(&mut work.redis, restate).await.context("Redis")?;
            ensure!(answer.len() == 3, "article {article}: its partition is not warm any more");
            mark(&mut marks, partition, answer[1].parse()?);
        }
    }
    settle(work.stores, &mut work.redis, &marks, work.patience, work.stop).await?;
    for article in concerned.keys() {
        recount(&work.stores.mysql, *article).await?;
    }
    Ok(concerned.into_keys().collect())
}

/// Sets an article's count to the number of its likes.
async fn recount(mysql: &MySqlPool, article: ArticleId) -> anyhow::Result<()> {
    let mut tries = 0;
    loop {
        let mut connection = mysql.acquire().await.context("MySQL")?;
        match recount_locked(&mut connection, article).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                connection.close_on_drop();
                tries += 1;
                if tries == TRIES {
                    return Err(error).context("MySQL");
                }
                warn!("counting article {article} again: {error}");
            }
        }
    }
}

/// With the partition locked no consumer has likes in hand that are counted later; with the row locked nobody changes
/// the count. What is read after both is what is there, READ COMMITTED.
async fn recount_locked(connection: &mut MySqlConnection, article: ArticleId) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    if let Some(lock) = lock_partitions([&Partition::of(article)]) {
        raw_sql(AssertSqlSafe(lock)).execute(&mut *transaction).await?;
    }
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
