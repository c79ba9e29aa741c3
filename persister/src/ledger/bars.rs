//! Users who may switch no kind on or off: one row in MySQL, and a copy in every partition of Redis.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use contract::{
    Partition, UserId, UserNumber,
    keys::{self, BarSet},
};
use jiff::Timestamp;
use redis::Pipeline;
use sqlx::{MySqlPool, QueryBuilder, query, query_as, query_scalar};

use super::{
    comparison::in_one_alone,
    names::{self, NewNames},
};
use crate::store::{Store, StoreError, servers::Servers};

/// Users who are barred together.
const TOGETHER: usize = 500;
/// Sets read from a copy at once. Of a million bars they have 16,000 users.
const SETS: usize = 64;
/// Users in one question to MySQL.
const ASKED: usize = 5000;

/// The reason of a bar that lasts while a user is being erased.
pub(crate) const ERASING: &str = "erasure under way";

/// Users by the set that has them, in ascending order.
pub(super) type BySet = BTreeMap<BarSet, Vec<UserNumber>>;

fn by_set(users: impl IntoIterator<Item = UserNumber>) -> BySet {
    let mut sets = BySet::new();
    for user in users {
        sets.entry(BarSet::of(user)).or_default().push(user);
    }
    for users in sets.values_mut() {
        users.sort_unstable();
    }
    sets
}

fn numbers(users: &[UserNumber]) -> Vec<i64> {
    users.iter().map(|user| user.get()).collect()
}

/// Adds users to a partition's copy. The sets' numbers come first, so that no set is overlooked by [`agree`].
fn add(changes: &mut Pipeline, partition: Partition, users: &BySet) {
    let sets: Vec<u16> = users.keys().map(|set| set.get()).collect();
    if sets.is_empty() {
        return;
    }
    changes.sadd(keys::bar_sets(partition), sets).ignore();
    for (set, users) in users {
        changes.sadd(keys::barred(partition, *set), numbers(users)).ignore();
    }
}

/// Bars users. A user who is barred already keeps the older reason, unless that bar is temporary. MySQL comes first: a
/// rebuild of Redis that begins in between reads it from there.
pub(crate) async fn bar(
    mysql: &MySqlPool,
    redis: &mut Servers,
    users: &[UserId],
    reason: &str,
) -> Result<(), StoreError> {
    // One command adds all users of a set.
    let mut users: Vec<&UserId> = users.iter().collect();
    users.sort_by_key(|user| BarSet::of(user.number()));
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
        let sets = by_set(users.iter().map(|user| user.number()));
        let mut changes = redis::pipe();
        for partition in Partition::all() {
            add(&mut changes, partition, &sets);
        }
        changes.exec_async(redis).await?;
    }
    Ok(())
}

/// Brings the copies in these partitions up to date with MySQL before the partitions serve. A Redis that came back may have old
/// copies, and a rebuild may have restored a bar that was lifted meanwhile. Works on one copy after another, in slices, because a
/// bar takes some 10 bytes of memory here, and there are 128 copies.
pub(crate) async fn agree(mysql: &MySqlPool, redis: &mut Servers, partitions: &[Partition]) -> Result<(), StoreError> {
    let barred = all(mysql).await?;
    let mut ask = redis::pipe();
    for partition in partitions {
        ask.smembers(keys::bar_sets(*partition));
    }
    let there: Vec<Vec<u16>> = ask.query_async(redis).await?;
    for (partition, there) in partitions.iter().zip(there) {
        let mut sets: BTreeSet<BarSet> = there.into_iter().filter_map(BarSet::numbered).collect();
        sets.extend(barred.keys());
        let sets: Vec<BarSet> = sets.into_iter().collect();
        for sets in sets.chunks(SETS) {
            let differing = differing(redis, *partition, sets, &barred).await?;
            for users in differing.chunks(ASKED) {
                settle(mysql, redis, *partition, users).await?;
            }
        }
    }
    Ok(())
}

/// Users of these sets whose bar is in one of MySQL and the partition's copy only.
async fn differing(
    redis: &mut Servers,
    partition: Partition,
    sets: &[BarSet],
    barred: &BySet,
) -> Result<Vec<UserNumber>, StoreError> {
    let mut ask = redis::pipe();
    for set in sets {
        ask.smembers(keys::barred(partition, *set));
    }
    let copies: Vec<Vec<i64>> = ask.query_async(redis).await?;
    let mut differing = Vec::new();
    for (set, copy) in sets.iter().zip(copies) {
        let wanted = barred.get(set).map_or(&[][..], Vec::as_slice);
        let mut copy: Vec<UserNumber> = copy.into_iter().filter_map(|user| UserNumber::try_from(user).ok()).collect();
        // Mostly it is sorted, since Redis stores it so, and equal.
        copy.sort_unstable();
        if copy != wanted {
            differing.extend(in_one_alone(&copy, wanted));
        }
    }
    Ok(differing)
}

/// Brings these users in a copy up to date with MySQL's present state: a bar may have changed since they were read.
///
/// A command may change a bar, in MySQL and in the copies, between the question and the write. So MySQL is asked again after each
/// write, until it answers the same.
async fn settle(
    mysql: &MySqlPool,
    redis: &mut Servers,
    partition: Partition,
    users: &[UserNumber],
) -> Result<(), StoreError> {
    let mut written = None;
    loop {
        let barred = barred_of(mysql, users).await?;
        if written.as_ref() == Some(&barred) {
            return Ok(());
        }
        let (set, lifted): (Vec<UserNumber>, Vec<UserNumber>) =
            users.iter().partition(|user| barred.contains(&user.get()));
        let mut changes = redis::pipe();
        add(&mut changes, partition, &by_set(set));
        for (set, users) in by_set(lifted) {
            changes.srem(keys::barred(partition, set), numbers(&users)).ignore();
        }
        changes.exec_async(redis).await?;
        written = Some(barred);
    }
}

/// Those of the users who are barred.
async fn barred_of(mysql: &MySqlPool, users: &[UserNumber]) -> Result<HashSet<i64>, StoreError> {
    let mut ask = QueryBuilder::new("SELECT user_id FROM user_bar WHERE user_id IN ");
    ask.push_tuples(users, |mut row, user| {
        row.push_bind(user.get());
    });
    Ok(ask.build_query_scalar().fetch_all(mysql).await?.into_iter().collect())
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
        remove.srem(keys::barred(partition, BarSet::of(user)), user.get()).ignore();
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
pub(super) async fn all(mysql: &MySqlPool) -> Result<BySet, StoreError> {
    let users: Vec<i64> = query_scalar("SELECT user_id FROM user_bar").fetch_all(mysql).await?;
    let users: Result<Vec<UserNumber>, _> = users.into_iter().map(UserNumber::try_from).collect();
    users.map(by_set).map_err(|_| StoreError::Answer(Store::Mysql, "user_bar has an id below 1".to_owned()))
}
