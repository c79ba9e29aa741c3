//! What each store says of the same likes.

use std::collections::{BTreeMap, BTreeSet};

use contract::{ArticleId, Partition, UserId, Version, keys, scripts};
use futures::TryStreamExt as _;
use sqlx::{MySqlPool, query_as};

use super::{json::json, marks::version};
use crate::store::{
    Store, StoreError,
    scripts::{call, run_script, run_scripts},
    servers::Servers,
};

/// Sets of members that are asked for at once.
const SETS: usize = 500;

/// Each article's users who like it.
pub(crate) type Likers = BTreeMap<ArticleId, BTreeSet<UserId>>;

/// An article's count, and the number of likes it should be.
pub(crate) struct Count {
    pub(crate) article: ArticleId,
    pub(crate) found: i64,
    pub(crate) likes: i64,
}

/// Some likes of one article as Redis has them, and up to which entry of the outbox.
pub(crate) struct View {
    pub(crate) article: ArticleId,
    pub(crate) last: Version,
    pub(crate) liked: BTreeMap<UserId, bool>,
}

fn comparison(redis: &Servers, article: ArticleId) -> Result<redis::Cmd, StoreError> {
    let partition = Partition::of(article);
    let keys = [keys::warm(partition), keys::outbox(partition), keys::likes(article), keys::members(article)];
    let mut compare = call(&scripts::COMPARE, keys);
    compare.arg(redis.name(partition)?);
    Ok(compare)
}

/// Redis's counts and its own likes; none of an article whose partition is not warm.
pub(crate) async fn redis_counts(
    redis: &mut Servers,
    articles: &[ArticleId],
) -> Result<Vec<(ArticleId, Option<Count>)>, StoreError> {
    let mut calls = redis::pipe();
    for article in articles {
        calls.add_command(comparison(redis, *article)?);
    }
    let answers: Vec<Vec<String>> = run_scripts(redis, &calls).await?;
    let count = |(article, answer): (&ArticleId, Vec<String>)| {
        let [answered, _, count, likes] = &answer[..] else { return Ok((*article, None)) };
        if answered != "OK" {
            return Err(StoreError::Answer(Store::Redis, format!("it answered {answered}")));
        }
        let number = |text: &str| text.parse().map_err(|_| unknown(Store::Redis, text));
        Ok((*article, Some(Count { article: *article, found: number(count)?, likes: number(likes)? })))
    };
    articles.iter().zip(answers).map(count).collect()
}

/// MySQL's counts and its own likes, both as of one moment: that of the statement.
pub(crate) async fn mysql_counts(mysql: &MySqlPool, articles: &[ArticleId]) -> Result<Vec<Count>, StoreError> {
    let Some(articles) = json(articles.iter().map(|article| [article.get()])) else { return Ok(Vec::new()) };
    let rows: Vec<(i64, i64, i64)> = query_as(
        "SELECT e.article_id,
                COALESCE((SELECT s.like_count FROM article_stats s WHERE s.article_id = e.article_id), 0),
                (SELECT COUNT(*) FROM user_like l WHERE l.article_id = e.article_id AND l.status = 1)
         FROM JSON_TABLE(?, '$[*]' COLUMNS (article_id BIGINT PATH '$[0]')) e",
    )
    .bind(articles)
    .fetch_all(mysql)
    .await?;
    let count = |(article, count, likes): (i64, i64, i64)| {
        let article = article.try_into().map_err(|_| unknown(Store::Mysql, article))?;
        Ok(Count { article, found: count, likes })
    };
    rows.into_iter().map(count).collect()
}

fn unknown(store: Store, value: impl std::fmt::Display) -> StoreError {
    StoreError::Answer(store, format!("{value} is out of range"))
}

/// The users who like the articles in Redis, out of all the sets that an article's likes are spread over. A set that is
/// split meanwhile may hide a user.
pub(crate) async fn redis_likers(redis: &mut Servers, articles: &[ArticleId]) -> Result<Likers, StoreError> {
    let mut ask = redis::pipe();
    for article in articles {
        ask.cmd("GET").arg(format!("{}:n", keys::members(*article)));
    }
    let counts: Vec<Option<u64>> = ask.query_async(redis).await?;
    let sets: Vec<(ArticleId, String)> = articles
        .iter()
        .zip(counts)
        .flat_map(|(article, count)| {
            let members = keys::members(*article);
            (0..count.unwrap_or(1))
                .map(move |set| (*article, if set == 0 { members.clone() } else { format!("{members}:{set}") }))
        })
        .collect();
    let mut likers = Likers::new();
    for some in sets.chunks(SETS) {
        let mut ask = redis::pipe();
        for (_, key) in some {
            ask.cmd("SMEMBERS").arg(key);
        }
        let members: Vec<Vec<i64>> = ask.query_async(redis).await?;
        for ((article, key), members) in some.iter().zip(members) {
            let of = likers.entry(*article).or_default();
            let none = |_| StoreError::Answer(Store::Redis, format!("{key} has a member that is no user id"));
            for user in members {
                of.insert(user.try_into().map_err(none)?);
            }
        }
    }
    Ok(likers)
}

/// The users who like the articles in MySQL.
pub(crate) async fn mysql_likers(mysql: &MySqlPool, articles: &[ArticleId]) -> Result<Likers, StoreError> {
    let mut likers = Likers::new();
    let Some(articles) = json(articles.iter().map(|article| [article.get()])) else { return Ok(likers) };
    let mut rows = query_as::<_, (i64, i64)>(
        "SELECT l.article_id, l.user_id
         FROM JSON_TABLE(?, '$[*]' COLUMNS (article_id BIGINT PATH '$[0]')) e
         STRAIGHT_JOIN user_like l ON l.article_id = e.article_id AND l.status = 1",
    )
    .bind(articles)
    .fetch(mysql);
    while let Some((article, user)) = rows.try_next().await? {
        let article = article.try_into().map_err(|_| unknown(Store::Mysql, article))?;
        likers.entry(article).or_default().insert(user.try_into().map_err(|_| unknown(Store::Mysql, user))?);
    }
    Ok(likers)
}

/// Looks at likes of an article in Redis; none if its partition is not warm.
pub(crate) async fn view(
    redis: &mut Servers,
    article: ArticleId,
    users: &[UserId],
) -> Result<Option<View>, StoreError> {
    let mut compare = comparison(redis, article)?;
    for user in users {
        compare.arg(user.get());
    }
    let answer: Vec<String> = run_script(redis, compare).await?;
    if answer.first().is_some_and(|answered| answered == "COLD") {
        return Ok(None);
    }
    if answer.len() != 4 + users.len() {
        return Err(StoreError::Answer(Store::Redis, "an unknown form".to_owned()));
    }
    let liked = users.iter().copied().zip(answer[4..].iter().map(|liked| liked == "1")).collect();
    Ok(Some(View { article, last: version(&answer[1])?, liked }))
}
