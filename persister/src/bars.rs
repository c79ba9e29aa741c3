//! Users who may neither like nor collect: a row in MySQL, and a copy in every partition of Redis.

use anyhow::Context as _;
use contract::{Partition, UserId, keys};
use redis::aio::MultiplexedConnection;
use sqlx::{MySqlPool, QueryBuilder, query};

const TOGETHER: usize = 500;

/// Bars users; one who is barred already stays so for the older reason. MySQL first: a rebuild of Redis that begins in
/// between takes them from there.
pub(crate) async fn bar(
    mysql: &MySqlPool,
    redis: &mut MultiplexedConnection,
    users: &[UserId],
    reason: &str,
) -> anyhow::Result<()> {
    for users in users.chunks(TOGETHER) {
        let mut insert = QueryBuilder::new("INSERT IGNORE INTO user_bar (user_id, at, reason) ");
        insert.push_values(users, |mut row, user| {
            row.push_bind(user.get()).push("UTC_TIMESTAMP(3)").push_bind(reason);
        });
        insert.build().execute(mysql).await.context("MySQL")?;
        let ids: Vec<i64> = users.iter().map(|user| user.get()).collect();
        let mut add = redis::pipe();
        for partition in Partition::all() {
            add.sadd(keys::barred(partition), &ids).ignore();
        }
        add.exec_async(redis).await.context("Redis")?;
    }
    Ok(())
}

/// Lifts the bar of one user, if it was set for that reason.
pub(crate) async fn lift(
    mysql: &MySqlPool,
    redis: &mut MultiplexedConnection,
    user: UserId,
    reason: &str,
) -> anyhow::Result<()> {
    let delete = query("DELETE FROM user_bar WHERE user_id = ? AND reason = ?").bind(user.get()).bind(reason);
    if delete.execute(mysql).await.context("MySQL")?.rows_affected() > 0 {
        let mut remove = redis::pipe();
        for partition in Partition::all() {
            remove.srem(keys::barred(partition), user.get()).ignore();
        }
        remove.exec_async(redis).await.context("Redis")?;
    }
    Ok(())
}
