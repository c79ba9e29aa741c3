//! Users who may switch no kind on or off: one row in MySQL, and a copy in every partition of Redis.

use std::collections::{HashMap, HashSet};

use contract::{Partition, UserId, UserNumber, keys};
use jiff::Timestamp;
use sqlx::{MySqlPool, QueryBuilder, query, query_as, query_scalar};

use super::names::{self, NewNames};
use crate::store::{Store, StoreError, servers::Servers};

const TOGETHER: usize = 500;
/// Users read from a copy at once, which takes Redis about a millisecond.
const SLICE: usize = 5000;

/// The reason of a bar that lasts while a user is being erased.
pub(crate) const ERASING: &str = "erasure under way";

/// Bars users. A user who is barred already keeps the older reason, unless that bar is temporary. MySQL comes first: a
/// rebuild of Redis that begins in between reads it from there.
pub(crate) async fn bar(
    mysql: &MySqlPool,
    redis: &mut Servers,
    users: &[UserId],
    reason: &str,
) -> Result<(), StoreError> {
    for users in users.chunks(TOGETHER) {
        let mut new = NewNames::default();
        for user in users {
            new.user(user);
        }
        names::none(new.write(&mut *mysql.acquire().await?).await?)?;
        let mut insert = QueryBuilder::new("INSERT INTO user_bar (user_id, at, reason) ");
        insert.push_values(users, |mut row, user| {
            row.push_bind(user.number().get()).push("UTC_TIMESTAMP(3)").push_bind(reason);
        });
        insert.push(" ON DUPLICATE KEY UPDATE reason = IF(reason = ").push_bind(ERASING);
        insert.push(", VALUES(reason), reason)");
        insert.build().execute(mysql).await?;
        let ids: Vec<i64> = users.iter().map(|user| user.number().get()).collect();
        let mut add = redis::pipe();
        for partition in Partition::all() {
            add.sadd(keys::barred(partition), &ids).ignore();
        }
        add.exec_async(redis).await?;
    }
    Ok(())
}

/// Brings the copies in these partitions up to date with MySQL before the partitions serve: a Redis that came back may
/// have old copies. One copy after another, in slices. A bar takes 9 bytes of memory here, and there are 128 copies.
pub(crate) async fn agree(mysql: &MySqlPool, redis: &mut Servers, partitions: &[Partition]) -> Result<(), StoreError> {
    let mut barred = users(mysql).await?;
    barred.sort_unstable();
    let mut seen = vec![false; barred.len()];
    for partition in partitions {
        seen.fill(false);
        let copy = keys::barred(*partition);
        let mut older = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SSCAN");
            scan.arg(&copy).arg(cursor).arg("COUNT").arg(SLICE);
            let (next, some): (u64, Vec<i64>) = scan.query_async(redis).await?;
            for user in some {
                match barred.binary_search(&user) {
                    Ok(at) => seen[at] = true,
                    Err(_) => older.push(user),
                }
            }
            cursor = next;
            if older.len() >= SLICE || cursor == 0 {
                settle(mysql, redis, &copy, &older).await?;
                older.clear();
            }
            if cursor == 0 {
                break;
            }
        }
        let missing: Vec<i64> = barred.iter().zip(&seen).filter(|(_, seen)| !**seen).map(|(user, _)| *user).collect();
        for some in missing.chunks(SLICE) {
            settle(mysql, redis, &copy, some).await?;
        }
    }
    Ok(())
}

/// Brings these users in a copy up to date with MySQL's present state: a bar may have changed since they were read.
async fn settle(mysql: &MySqlPool, redis: &mut Servers, copy: &str, users: &[i64]) -> Result<(), StoreError> {
    if users.is_empty() {
        return Ok(());
    }
    let mut ask = QueryBuilder::new("SELECT user_id FROM user_bar WHERE user_id IN ");
    ask.push_tuples(users, |mut row, user| {
        row.push_bind(user);
    });
    let barred: HashSet<i64> = ask.build_query_scalar().fetch_all(mysql).await?.into_iter().collect();
    let (set, lifted): (Vec<i64>, Vec<i64>) = users.iter().partition(|user| barred.contains(user));
    let mut changes = redis::pipe();
    if !set.is_empty() {
        changes.sadd(copy, set).ignore();
    }
    if !lifted.is_empty() {
        changes.srem(copy, lifted).ignore();
    }
    Ok(changes.exec_async(redis).await?)
}

/// Lifts a user's bar if it has that reason.
pub(crate) async fn lift(
    mysql: &MySqlPool,
    redis: &mut Servers,
    user: UserNumber,
    reason: &str,
) -> Result<(), StoreError> {
    let delete = query("DELETE FROM user_bar WHERE user_id = ? AND reason = ?").bind(user.get()).bind(reason);
    if delete.execute(mysql).await?.rows_affected() > 0 { let_in(redis, user).await } else { Ok(()) }
}

/// Lifts a user's bar, whatever its reason, and completes a lift that was interrupted. Returns true, and does nothing,
/// while the user is being erased.
pub(crate) async fn lift_any(mysql: &MySqlPool, redis: &mut Servers, user: UserNumber) -> Result<bool, StoreError> {
    let delete = query("DELETE FROM user_bar WHERE user_id = ? AND reason <> ?").bind(user.get()).bind(ERASING);
    delete.execute(mysql).await?;
    let left: Option<i64> =
        query_scalar("SELECT user_id FROM user_bar WHERE user_id = ?").bind(user.get()).fetch_optional(mysql).await?;
    if left.is_none() {
        let_in(redis, user).await?;
    }
    Ok(left.is_some())
}

async fn let_in(redis: &mut Servers, user: UserNumber) -> Result<(), StoreError> {
    let mut remove = redis::pipe();
    for partition in Partition::all() {
        remove.srem(keys::barred(partition), user.get()).ignore();
    }
    Ok(remove.exec_async(redis).await?)
}

/// A bar.
pub(crate) struct Barred {
    pub(crate) user: UserId,
    pub(crate) since: Timestamp,
    pub(crate) reason: String,
}

/// All bars, latest first.
pub(crate) async fn list(mysql: &MySqlPool) -> Result<Vec<Barred>, StoreError> {
    let rows: Vec<(i64, i64, String, Option<String>)> = query_as(
        "SELECT user_id, CAST(UNIX_TIMESTAMP(at) * 1000 AS SIGNED), reason,
                (SELECT text FROM name WHERE kind = 'user' AND number = user_id)
         FROM user_bar ORDER BY at DESC, user_id",
    )
    .fetch_all(mysql)
    .await?;
    let bar = |(user, ms, reason, name): (i64, i64, String, Option<String>)| {
        let (user, since) = (UserNumber::try_from(user).ok()?, Timestamp::from_millisecond(ms).ok()?);
        Some(Barred { user: UserId::stored(user, name.as_deref()), since, reason })
    };
    let bars = rows.into_iter().map(bar).collect::<Option<_>>();
    bars.ok_or_else(|| StoreError::Answer(Store::Mysql, "user_bar has a value out of range".to_owned()))
}

/// The reasons of those users who are barred.
pub(crate) async fn reasons(mysql: &MySqlPool, users: &[UserId]) -> Result<HashMap<UserNumber, String>, StoreError> {
    let mut reasons = HashMap::new();
    for user in users {
        let reason = query_scalar("SELECT reason FROM user_bar WHERE user_id = ?").bind(user.number().get());
        if let Some(reason) = reason.fetch_optional(mysql).await? {
            reasons.insert(user.number(), reason);
        }
    }
    Ok(reasons)
}

/// All barred users.
pub(super) async fn users(mysql: &MySqlPool) -> Result<Vec<i64>, StoreError> {
    Ok(query_scalar("SELECT user_id FROM user_bar").fetch_all(mysql).await?)
}
