use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::Duration,
};

use anyhow::{Result, ensure};
use contract::{Partition, keys};
use redis::AsyncCommands;
use sqlx::MySqlPool;
use stack::{Stack, wait_for};

use crate::{Model, Pair, Topic, id, likers, redis, rows};

/// A way in which a store is not what clients were told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// Something acknowledged is not there.
    Lost(String),
    /// Something is there twice, or was never acknowledged or asked for.
    Double(String),
}

impl Wrong {
    /// Of a number that should be another.
    #[must_use]
    pub fn count(what: &str, found: i64, told: i64) -> Option<Self> {
        let text = format!("{what}: {found} instead of {told}");
        match found.cmp(&told) {
            std::cmp::Ordering::Less => Some(Self::Lost(text)),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Self::Double(text)),
        }
    }

    /// Of pairs that should stand.
    pub fn pairs<'a>(what: &str, found: &'a BTreeSet<Pair>, told: &'a BTreeSet<Pair>) -> impl Iterator<Item = Self> {
        let text = |pair: &Pair| format!("{what}: user {}, article {}", pair.0, pair.1);
        let lost: Vec<_> = told.difference(found).map(|pair| Self::Lost(text(pair))).collect();
        lost.into_iter().chain(found.difference(told).map(|pair| Self::Double(text(pair))).collect::<Vec<_>>())
    }
}

/// Waits until nothing is on its way any more: all outboxes are empty and the consumer has committed the topic's end.
/// What cannot be asked yet is asked again.
pub async fn drained(stack: &Stack, topic: &Topic, patience: Duration) -> Result<()> {
    let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
    let redis = redis(&stack.redis_url()).await?;
    let mut last = "not asked".to_owned();
    let waited = wait_for("empty outboxes and no lag", patience, async || {
        let waiting = async {
            let mut outbox = 0;
            for partition in Partition::all() {
                outbox += redis.clone().xlen::<_, i64>(keys::outbox(partition)).await?;
            }
            let (collects,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM collect_outbox").fetch_one(&mysql).await?;
            anyhow::Ok((outbox, collects, topic.lag()?))
        };
        let waiting = waiting.await;
        last = format!("outboxes, collects, lag: {waiting:?}");
        Ok(matches!(waiting, Ok((0, 0, 0))).then_some(()))
    });
    waited.await.map_err(|error| error.context(last))
}

/// Clients' model against Redis and MySQL, rows and counts, of these articles.
pub async fn compare(stack: &Stack, model: &Model, articles: RangeInclusive<i64>) -> Result<Vec<Wrong>> {
    let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
    let mut redis = redis(&stack.redis_url()).await?;
    let likes = Model::standing(&model.likes);
    let collects = Model::standing(&model.collects);
    ensure!(likes.union(&collects).all(|pair| articles.contains(&pair.1)), "the model has other articles");

    let mut wrong = vec![];
    for (what, sql, told) in [
        ("likes in MySQL", "SELECT user_id, article_id FROM user_like WHERE status = 1", &likes),
        ("collects in MySQL", "SELECT user_id, article_id FROM user_collect", &collects),
    ] {
        let found = rows(&mysql, sql).await?.into_iter().filter(|(_, article)| articles.contains(article)).collect();
        wrong.extend(Wrong::pairs(what, &found, told));
    }

    let like_counts: BTreeMap<i64, i64> =
        rows(&mysql, "SELECT article_id, like_count FROM article_stats").await?.into_iter().collect();
    let collect_counts: BTreeMap<i64, i64> =
        rows(&mysql, "SELECT article_id, collect_count FROM article_stats").await?.into_iter().collect();
    for article in articles {
        let told: BTreeSet<Pair> = likes.iter().filter(|pair| pair.1 == article).copied().collect();
        let found = likers(&mut redis, id(article)).await?.into_iter().map(|user| (user, article)).collect();
        wrong.extend(Wrong::pairs("likes in Redis", &found, &told));

        let likes = i64::try_from(told.len())?;
        let collects = i64::try_from(collects.iter().filter(|pair| pair.1 == article).count())?;
        let counted: Option<i64> = redis.get(keys::likes(id(article))).await?;
        let of = |counts: &BTreeMap<i64, i64>| counts.get(&article).copied().unwrap_or(0);
        wrong.extend(Wrong::count(&format!("likes of {article} in Redis"), counted.unwrap_or(0), likes));
        wrong.extend(Wrong::count(&format!("like_count of {article}"), of(&like_counts), likes));
        wrong.extend(Wrong::count(&format!("collect_count of {article}"), of(&collect_counts), collects));
    }
    Ok(wrong)
}
