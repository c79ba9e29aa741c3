//! What each store has about the same users, article and kind.

use std::collections::BTreeMap;

use contract::{
    ArticleNumber, Kind, UserNumber, Version, keys,
    scripts::{Compare, Refusal},
};
use futures::TryStreamExt as _;
use sqlx::{MySqlPool, query_as};

use super::json::json;
use crate::store::{
    Store, StoreError,
    scripts::{call, refused},
    servers::Servers,
};

/// Sets that are read at once.
const SETS: usize = 500;

/// An article and a kind, which together have a count.
pub(crate) type Counter = (ArticleNumber, Kind);

/// The users who have the kind on for the article, sorted.
pub(crate) type Members = BTreeMap<Counter, Vec<UserNumber>>;

/// A share of all users. An article may have more users than fit into memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// The number of the share, from 0.
    pub(crate) number: u64,
    /// The number of shares.
    pub(crate) of: u64,
}

impl Share {
    /// Multiplicative hashing, because the ids of a site may all be even.
    fn has(self, user: UserNumber) -> bool {
        let mixed = user.get().unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        mixed % self.of == self.number
    }
}

/// A count, and the number of users that it should be.
pub(crate) struct Count {
    pub(crate) of: Counter,
    pub(crate) found: i64,
    pub(crate) members: i64,
}

/// The state of some users in Redis, as of the outbox's entry `last`.
pub(crate) struct View {
    pub(crate) of: Counter,
    pub(crate) last: Version,
    pub(crate) on: BTreeMap<UserNumber, bool>,
}

/// The counters as a parameter of the statements below.
fn rows(counters: &[Counter]) -> Option<String> {
    json(counters.iter().map(|(article, kind)| [article.get(), kind.code().into()]))
}

/// MySQL's counts and the numbers of users in its rows, both as of the moment of the statement.
pub(crate) async fn mysql_counts(mysql: &MySqlPool, counters: &[Counter]) -> Result<Vec<Count>, StoreError> {
    let Some(counters) = rows(counters) else { return Ok(Vec::new()) };
    let rows: Vec<(i64, u8, i64, i64)> = query_as(
        "SELECT e.article_id, e.kind,
                COALESCE((SELECT c.count FROM interaction_count c
                          WHERE c.article_id = e.article_id AND c.kind = e.kind), 0),
                (SELECT COUNT(*) FROM interaction i
                 WHERE i.article_id = e.article_id AND i.kind = e.kind AND i.status = 1)
         FROM JSON_TABLE(?, '$[*]' COLUMNS (article_id BIGINT PATH '$[0]', kind TINYINT UNSIGNED PATH '$[1]')) e",
    )
    .bind(counters)
    .fetch_all(mysql)
    .await?;
    let count = |(article, kind, found, members)| Ok(Count { of: counter(article, kind)?, found, members });
    rows.into_iter().map(count).collect()
}

fn counter(article: i64, kind: u8) -> Result<Counter, StoreError> {
    let of = article.try_into().ok().zip(Kind::from_code(kind));
    of.ok_or_else(|| StoreError::Answer(Store::Mysql, format!("article {article} or kind {kind} is out of range")))
}

/// A share of the users in Redis, from all sets of each article. While a set is being split, a user may be missing.
pub(crate) async fn redis_members(
    redis: &mut Servers,
    counters: &[Counter],
    share: Share,
) -> Result<Members, StoreError> {
    let mut ask = redis::pipe();
    for (article, kind) in counters {
        ask.cmd("GET").arg(format!("{}:n", keys::members(*kind, *article)));
    }
    let counts: Vec<Option<u64>> = ask.query_async(redis).await?;
    let sets: Vec<(Counter, String)> = counters
        .iter()
        .zip(counts)
        .flat_map(|(of, count)| {
            let first = keys::members(of.1, of.0);
            (0..count.unwrap_or(1))
                .map(move |set| (*of, if set == 0 { first.clone() } else { format!("{first}:{set}") }))
        })
        .collect();
    let mut members = Members::new();
    for some in sets.chunks(SETS) {
        let mut ask = redis::pipe();
        for (_, key) in some {
            ask.cmd("SMEMBERS").arg(key);
        }
        let users: Vec<Vec<i64>> = ask.query_async(redis).await?;
        for ((of, key), users) in some.iter().zip(users) {
            let members = members.entry(*of).or_default();
            let none = |_| StoreError::Answer(Store::Redis, format!("{key} has a member that is not a user id"));
            for user in users {
                let user = user.try_into().map_err(none)?;
                if share.has(user) {
                    members.push(user);
                }
            }
        }
    }
    Ok(sorted(members))
}

fn sorted(mut members: Members) -> Members {
    for users in members.values_mut() {
        users.sort_unstable();
        users.dedup();
    }
    members
}

/// A share of the users in MySQL.
pub(crate) async fn mysql_members(
    mysql: &MySqlPool,
    counters: &[Counter],
    share: Share,
) -> Result<Members, StoreError> {
    let mut members = Members::new();
    let Some(counters) = rows(counters) else { return Ok(members) };
    let mut rows = query_as::<_, (i64, u8, i64)>(
        "SELECT i.article_id, i.kind, i.user_id
         FROM JSON_TABLE(?, '$[*]' COLUMNS (article_id BIGINT PATH '$[0]', kind TINYINT UNSIGNED PATH '$[1]')) e
         STRAIGHT_JOIN interaction i ON i.article_id = e.article_id AND i.kind = e.kind AND i.status = 1",
    )
    .bind(counters)
    .fetch(mysql);
    let none = |_| StoreError::Answer(Store::Mysql, "interaction has an invalid user_id".to_owned());
    while let Some((article, kind, user)) = rows.try_next().await? {
        let user = user.try_into().map_err(none)?;
        if share.has(user) {
            members.entry(counter(article, kind)?).or_default().push(user);
        }
    }
    Ok(sorted(members))
}

/// The users who are in only one of two sorted lists.
pub(crate) fn in_one_alone<'a>(
    left: &'a [UserNumber],
    right: &'a [UserNumber],
) -> impl Iterator<Item = UserNumber> + 'a {
    let lacks = |list: &'a [UserNumber]| move |user: &&UserNumber| list.binary_search(user).is_err();
    left.iter().filter(lacks(right)).chain(right.iter().filter(lacks(left))).copied()
}

/// Checks users in Redis. None if the partition is not warm.
pub(crate) async fn view(redis: &mut Servers, of: Counter, users: &[UserNumber]) -> Result<Option<View>, StoreError> {
    let (article, kind) = of;
    let compare = Compare { kind, article, users };
    match call(redis, &compare).await? {
        Ok(compared) => {
            let on = users.iter().copied().zip(compared.on).collect();
            Ok(Some(View { of, last: compared.last, on }))
        }
        Err(Refusal::Cold) => Ok(None),
        Err(refusal) => Err(refused(&compare, refusal)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn number(user: i64) -> UserNumber {
        user.try_into().expect("a number")
    }

    proptest! {
        #[test]
        fn however_many_shares_there_are_the_same_users_differ(
            left in prop::collection::btree_set(1_i64..200, 0..100),
            right in prop::collection::btree_set(1_i64..200, 0..100),
            of in 1_u64..9,
        ) {
            let mut found = Vec::new();
            for number_of_share in 0..of {
                let share = Share { number: number_of_share, of };
                let some = |all: &BTreeSet<i64>| -> Vec<UserNumber> {
                    all.iter().copied().map(number).filter(|user| share.has(*user)).collect()
                };
                found.extend(in_one_alone(&some(&left), &some(&right)));
            }
            found.sort_unstable();
            let expected: Vec<UserNumber> = left.symmetric_difference(&right).copied().map(number).collect();
            prop_assert_eq!(found, expected, "each once");
        }
    }

    #[test]
    fn shares_are_about_equal_whatever_ids_have_in_common() {
        for step in [1, 2, 4096, 1 << 22] {
            let share = Share { number: 1, of: 4 };
            let held = (1..=4000).filter(|user| share.has(number(user * step))).count();
            assert!((700..=1300).contains(&held), "{held} of 4,000 with steps of {step}");
        }
    }
}
