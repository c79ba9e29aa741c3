//! Everything held about one user.

use contract::{ArticleId, Kind, Partition, UserId, Version, keys};
use futures::TryStreamExt as _;
use serde::Serialize;
use sqlx::{MySqlPool, query_as};

use super::{
    clock::rfc_3339,
    markers::markers,
    marks::Marks,
    settle::{self, Patience},
};
use crate::store::{Store, StoreError, Stores, servers::Servers};

/// A row or key that holds something about the user.
#[derive(Debug, Serialize)]
#[serde(tag = "held", rename_all = "snake_case")]
pub(crate) enum Held<'a> {
    /// Table `interaction`: what is on, and what was on.
    Interaction { kind: Option<Kind>, article_id: ArticleId, on: bool, at: String, version: Version },
    /// Table `user_read`.
    UserRead { article_id: ArticleId, last_read_at: String },
    /// Table `user_bar`, of which Redis has a copy in each partition.
    UserBar { at: String, reason: String },
    /// Table `erased_user`.
    ErasedUser { at: String },
    /// Table `name`.
    Name { text: &'a str },
    /// The key of a frequency limit in Redis, which expires.
    Limit { key: String, expires_in_ms: i64 },
}

/// Waits until everything that Redis has acknowledged is in MySQL and in Kafka.
pub(crate) async fn settled(stores: &Stores, redis: &mut Servers, patience: &Patience<'_>) -> Result<(), StoreError> {
    let partitions: Vec<Partition> = Partition::all().collect();
    let mut marks = Marks::default();
    for (partition, marker) in markers(redis, &partitions).await? {
        marks.add(partition, marker.last);
    }
    settle::in_mysql(stores, redis, &marks, patience).await
}

/// Calls `take` with every row about the user in MySQL.
pub(crate) async fn in_mysql(
    mysql: &MySqlPool,
    user: &UserId,
    take: &mut impl FnMut(Held<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let number = user.number().get();
    let mut rows = query_as::<_, (u8, i64, i8, String, i64, i64, Option<String>)>(concat!(
        "SELECT i.kind, i.article_id, i.status, ",
        rfc_3339!("i.updated_at"),
        ", i.version_ms, i.version_seq, n.text
         FROM interaction i LEFT JOIN name n ON n.kind = 'article' AND n.number = i.article_id WHERE i.user_id = ?"
    ))
    .bind(number)
    .fetch(mysql);
    while let Some((kind, article, status, at, ms, seq, name)) = rows.try_next().await? {
        take(Held::Interaction {
            kind: Kind::from_code(kind),
            article_id: written(article, name.as_deref())?,
            on: status == 1,
            at,
            version: Version { ms: ms.try_into()?, seq: seq.try_into()? },
        })?;
    }
    drop(rows);
    let mut rows = query_as::<_, (i64, String, Option<String>)>(concat!(
        "SELECT r.article_id, ",
        rfc_3339!("r.last_read_at"),
        ", n.text FROM user_read r LEFT JOIN name n ON n.kind = 'article' AND n.number = r.article_id
         WHERE r.user_id = ?"
    ))
    .bind(number)
    .fetch(mysql);
    while let Some((article, last_read_at, name)) = rows.try_next().await? {
        take(Held::UserRead { article_id: written(article, name.as_deref())?, last_read_at })?;
    }
    drop(rows);
    let bar = concat!("SELECT ", rfc_3339!("at"), ", reason FROM user_bar WHERE user_id = ?");
    if let Some((at, reason)) = query_as(bar).bind(number).fetch_optional(mysql).await? {
        take(Held::UserBar { at, reason })?;
    }
    let erased = concat!("SELECT ", rfc_3339!("at"), " FROM erased_user WHERE user_id = ?");
    if let Some((at,)) = query_as(erased).bind(number).fetch_optional(mysql).await? {
        take(Held::ErasedUser { at })?;
    }
    let name = "SELECT text FROM name WHERE kind = 'user' AND number = ?";
    if let Some((text,)) = query_as::<_, (String,)>(name).bind(number).fetch_optional(mysql).await? {
        take(Held::Name { text: &text })?;
    }
    Ok(())
}

fn written(article: i64, name: Option<&str>) -> Result<ArticleId, StoreError> {
    let none = |_| StoreError::Answer(Store::Mysql, format!("{article} is not the number of an article"));
    Ok(ArticleId::stored(article.try_into().map_err(none)?, name))
}

/// The user's keys of frequency limits. No other key of Redis belongs to one user.
pub(crate) async fn in_redis(redis: &mut Servers, user: &UserId) -> Result<Vec<Held<'static>>, StoreError> {
    let limits: Vec<String> =
        Partition::all().flat_map(|partition| keys::limits_of(partition, user.number())).collect();
    let mut ask = redis::pipe();
    for key in &limits {
        ask.cmd("PTTL").arg(key);
    }
    let left: Vec<i64> = ask.query_async(redis).await?;
    let there = limits.into_iter().zip(left).filter(|(_, left)| *left > 0);
    Ok(there.map(|(key, expires_in_ms)| Held::Limit { key, expires_in_ms }).collect())
}
