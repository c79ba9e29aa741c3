//! Users who may neither like nor collect: a row in MySQL, and a copy in every partition of Redis.

mod command;

use std::collections::HashSet;

use anyhow::Context as _;
use contract::{Partition, UserId, keys};
use sqlx::{MySqlPool, QueryBuilder, query, query_scalar};

pub(crate) use self::command::{BarsCommand, run};
use crate::store::servers::Servers;

const TOGETHER: usize = 500;

/// While a user is being erased, which ends with the bar lifted.
pub(crate) const ERASING: &str = "erasure under way";

/// Bars users; one who is barred already stays so for the older reason, unless that is one that passes. MySQL first: a
/// rebuild of Redis that begins in between takes them from there.
pub(crate) async fn bar(mysql: &MySqlPool, redis: &mut Servers, users: &[UserId], reason: &str) -> anyhow::Result<()> {
    for users in users.chunks(TOGETHER) {
        let mut insert = QueryBuilder::new("INSERT INTO user_bar (user_id, at, reason) ");
        insert.push_values(users, |mut row, user| {
            row.push_bind(user.get()).push("UTC_TIMESTAMP(3)").push_bind(reason);
        });
        insert.push(" ON DUPLICATE KEY UPDATE reason = IF(reason = ").push_bind(ERASING);
        insert.push(", VALUES(reason), reason)");
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

/// Makes the copies in these partitions, which serve nobody yet, what MySQL says: a Redis that came back may have older
/// ones. The copies are read before MySQL, so that a bar which is set in between is not taken for an older one.
pub(crate) async fn agree(mysql: &MySqlPool, redis: &mut Servers, partitions: &[Partition]) -> anyhow::Result<()> {
    let mut copies = redis::pipe();
    for partition in partitions {
        copies.smembers(keys::barred(*partition));
    }
    let copies: Vec<HashSet<i64>> = copies.query_async(redis).await.context("Redis")?;
    let users: Vec<i64> = query_scalar("SELECT user_id FROM user_bar").fetch_all(mysql).await.context("MySQL")?;
    let barred: HashSet<i64> = users.into_iter().collect();
    let mut mend = redis::pipe();
    for (partition, copy) in partitions.iter().zip(&copies) {
        for user in barred.difference(copy) {
            mend.sadd(keys::barred(*partition), user).ignore();
        }
        for user in copy.difference(&barred) {
            mend.srem(keys::barred(*partition), user).ignore();
        }
    }
    // An empty pipeline is an error to the client.
    if mend.is_empty() { Ok(()) } else { mend.exec_async(redis).await.context("Redis") }
}

/// Lifts the bar of one user, if it was set for that reason.
pub(crate) async fn lift(mysql: &MySqlPool, redis: &mut Servers, user: UserId, reason: &str) -> anyhow::Result<()> {
    let delete = query("DELETE FROM user_bar WHERE user_id = ? AND reason = ?").bind(user.get()).bind(reason);
    if delete.execute(mysql).await.context("MySQL")?.rows_affected() > 0 { let_in(redis, user).await } else { Ok(()) }
}

/// Lifts the bar of one user, whatever it was set for, and what is left of one that was lifted half. True, and nothing
/// done, while the user is being erased.
async fn lift_any(mysql: &MySqlPool, redis: &mut Servers, user: UserId) -> anyhow::Result<bool> {
    let delete = query("DELETE FROM user_bar WHERE user_id = ? AND reason <> ?").bind(user.get()).bind(ERASING);
    delete.execute(mysql).await.context("MySQL")?;
    let left: Option<i64> = query_scalar("SELECT user_id FROM user_bar WHERE user_id = ?")
        .bind(user.get())
        .fetch_optional(mysql)
        .await
        .context("MySQL")?;
    if left.is_none() {
        let_in(redis, user).await?;
    }
    Ok(left.is_some())
}

async fn let_in(redis: &mut Servers, user: UserId) -> anyhow::Result<()> {
    let mut remove = redis::pipe();
    for partition in Partition::all() {
        remove.srem(keys::barred(partition), user.get()).ignore();
    }
    remove.exec_async(redis).await.context("Redis")
}
