//! What each store says of the same users, article and kind.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    ArticleNumber, Kind, UserNumber, Version, keys,
    scripts::{Compare, Refusal},
};
use futures::TryStreamExt as _;
use sqlx::{MySqlPool, query_as};

use super::json::json;
use crate::store::{
    Store, StoreError,
    scripts::{call, call_all, refused},
    servers::Servers,
};

/// Sets of members that are asked for at once.
const SETS: usize = 500;

/// An article and a kind: what has a count.
pub(crate) type Counter = (ArticleNumber, Kind);

/// The users who have the kind on for the article.
pub(crate) type Members = BTreeMap<Counter, BTreeSet<UserNumber>>;

/// A count, and the number of users that it should be.
pub(crate) struct Count {
    pub(crate) of: Counter,
    pub(crate) found: i64,
    pub(crate) members: i64,
}

/// Some users as Redis has them, and up to which entry of the outbox.
pub(crate) struct View {
    pub(crate) of: Counter,
    pub(crate) last: Version,
    pub(crate) on: BTreeMap<UserNumber, bool>,
}

/// Redis's counts and the users in its own sets; none where the partition is not warm.
pub(crate) async fn redis_counts(
    redis: &mut Servers,
    counters: &[Counter],
) -> Result<Vec<(Counter, Option<Count>)>, StoreError> {
    let calls: Vec<Compare<'_>> =
        counters.iter().map(|(article, kind)| Compare { kind: *kind, article: *article, users: &[] }).collect();
    let mut counts = Vec::with_capacity(counters.len());
    for (call, outcome) in calls.iter().zip(call_all(redis, &calls).await?) {
        let of = (call.article, call.kind);
        counts.push(match outcome {
            Ok(compared) => (of, Some(Count { of, found: compared.count, members: compared.members })),
            Err(Refusal::Cold) => (of, None),
            Err(refusal) => return Err(refused(call, refusal)),
        });
    }
    Ok(counts)
}

/// As a parameter of the statements below.
fn rows(counters: &[Counter]) -> Option<String> {
    json(counters.iter().map(|(article, kind)| [article.get(), kind.code().into()]))
}

/// MySQL's counts and the users in its own rows, both as of one moment: that of the statement.
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

/// The users in Redis, out of all the sets that an article's are spread over. A set that is split meanwhile may hide one.
pub(crate) async fn redis_members(redis: &mut Servers, counters: &[Counter]) -> Result<Members, StoreError> {
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
            let none = |_| StoreError::Answer(Store::Redis, format!("{key} has a member that is no user id"));
            for user in users {
                members.insert(user.try_into().map_err(none)?);
            }
        }
    }
    Ok(members)
}

/// The users in MySQL.
pub(crate) async fn mysql_members(mysql: &MySqlPool, counters: &[Counter]) -> Result<Members, StoreError> {
    let mut members = Members::new();
    let Some(counters) = rows(counters) else { return Ok(members) };
    let mut rows = query_as::<_, (i64, u8, i64)>(
        "SELECT i.article_id, i.kind, i.user_id
         FROM JSON_TABLE(?, '$[*]' COLUMNS (article_id BIGINT PATH '$[0]', kind TINYINT UNSIGNED PATH '$[1]')) e
         STRAIGHT_JOIN interaction i ON i.article_id = e.article_id AND i.kind = e.kind AND i.status = 1",
    )
    .bind(counters)
    .fetch(mysql);
    let none = |_| StoreError::Answer(Store::Mysql, "interaction has a user_id that is none".to_owned());
    while let Some((article, kind, user)) = rows.try_next().await? {
        members.entry(counter(article, kind)?).or_default().insert(user.try_into().map_err(none)?);
    }
    Ok(members)
}

/// Looks at users in Redis; none if the partition is not warm.
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
