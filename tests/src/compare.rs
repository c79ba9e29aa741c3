use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::Duration,
};

use anyhow::{Result, ensure};
use contract::{Kind, Partition, keys};
use redis::AsyncCommands;
use stack::{Stack, wait_for};

use crate::{Model, Pair, Topic, counts, id, interactions, members, mysql, redis};

/// A way in which a store differs from the service's answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// Something acknowledged is missing.
    Lost(String),
    /// Something is there twice, or was never acknowledged or asked for.
    Double(String),
}

impl Wrong {
    /// The difference between a number and the wanted one, if there is one.
    #[must_use]
    pub fn count(what: &str, found: i64, wanted: i64) -> Option<Self> {
        let text = format!("{what}: {found} instead of {wanted}");
        match found.cmp(&wanted) {
            std::cmp::Ordering::Less => Some(Self::Lost(text)),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Self::Double(text)),
        }
    }

    /// The differences between the pairs that were found and those that are wanted.
    pub fn pairs<'a>(what: &str, found: &'a BTreeSet<Pair>, wanted: &'a BTreeSet<Pair>) -> impl Iterator<Item = Self> {
        let text = |pair: &Pair| format!("{what}: user {}, article {}", pair.0, pair.1);
        let lost: Vec<_> = wanted.difference(found).map(|pair| Self::Lost(text(pair))).collect();
        lost.into_iter().chain(found.difference(wanted).map(|pair| Self::Double(text(pair))).collect::<Vec<_>>())
    }

    /// The pairs that have two kinds on although one excludes the other.
    fn excluded(store: &str, standing: &BTreeMap<Kind, BTreeSet<Pair>>) -> Vec<Self> {
        let exclusions = Kind::ALL.iter().flat_map(|kind| kind.excludes().iter().map(move |other| (kind, other)));
        let both = exclusions.filter(|(kind, other)| kind < other).flat_map(|(kind, other)| {
            let pairs = standing[kind].intersection(&standing[other]);
            pairs.map(move |(user, article)| (kind, other, user, article))
        });
        both.map(|(kind, other, user, article)| {
            Self::Double(format!("{kind} and {other} in {store}: user {user}, article {article}"))
        })
        .collect()
    }
}

/// Waits until nothing is on its way: all outboxes are empty, every change that MySQL decides is projected, and the consumer
/// has committed the topic's end. A store that does not answer is asked again.
pub async fn drained(stack: &Stack, topic: &Topic, patience: Duration) -> Result<()> {
    let mysql = mysql(&stack.mysql_url()).await?;
    let redis = redis(&stack.redis_url()).await?;
    let mut last = "not asked".to_owned();
    let waited = wait_for("empty outboxes and no lag", patience, async || {
        let waiting = async {
            let mut of_redis = 0;
            for partition in Partition::all() {
                of_redis += redis.clone().xlen::<_, i64>(keys::outbox(partition)).await?;
            }
            // A row is deleted once it is both projected and shipped.
            let (of_mysql,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM outbox").fetch_one(&mysql).await?;
            anyhow::Ok((of_redis, of_mysql, topic.lag()?))
        };
        let waiting = waiting.await;
        last = format!("outboxes of Redis, of MySQL, lag: {waiting:?}");
        Ok(matches!(waiting, Ok((0, 0, 0))).then_some(()))
    });
    waited.await.map_err(|error| error.context(last))
}

/// Compares the clients' model with Redis and MySQL: members and counts of all kinds, for these articles. Call it when
/// everything is drained: before that, Redis may lack changes that MySQL decides.
pub async fn compare(stack: &Stack, model: &Model, articles: RangeInclusive<i64>) -> Result<Vec<Wrong>> {
    let mysql = mysql(&stack.mysql_url()).await?;
    let mut redis = redis(&stack.redis_url()).await?;
    ensure!(model.states().all(|(_, pair, _)| articles.contains(&pair.1)), "the model has other articles");
    let mut in_mysql = interactions(&mysql).await?;
    for pairs in in_mysql.values_mut() {
        pairs.retain(|(_, article)| articles.contains(article));
    }
    let (counted_by_mysql, mut in_redis) = (counts(&mysql).await?, BTreeMap::new());

    let mut wrong = vec![];
    for kind in Kind::ALL.iter().copied() {
        let (name, wanted) = (kind.count(), model.standing(kind));
        let mut found = BTreeSet::new();
        for article in articles.clone() {
            found.extend(members(&mut redis, kind, id(article)).await?.into_iter().map(|user| (user, article)));
            let wanted = i64::try_from(wanted.iter().filter(|pair| pair.1 == article).count())?;
            let (count, sets) = (keys::count(kind, id(article)), keys::members(kind, id(article)) + ":n");
            let counted: Option<i64> = redis.get(&count).await?;
            let by_mysql = counted_by_mysql.get(&(kind, article)).copied().unwrap_or_default();
            wrong.extend(Wrong::count(&format!("{name} of {article} in Redis"), counted.unwrap_or_default(), wanted));
            wrong.extend(Wrong::count(&format!("{name} of {article} in MySQL"), by_mysql, wanted));
            if counted.unwrap_or_default() == 0 && redis.exists::<_, i64>(&[&count, &sets]).await? > 0 {
                wrong.push(Wrong::Double(format!("{name} of {article} in Redis: a key for nobody")));
            }
        }
        wrong.extend(Wrong::pairs(&format!("{name} in MySQL"), &in_mysql[&kind], &wanted));
        wrong.extend(Wrong::pairs(&format!("{name} in Redis"), &found, &wanted));
        in_redis.insert(kind, found);
    }
    wrong.extend(Wrong::excluded("MySQL", &in_mysql));
    wrong.extend(Wrong::excluded("Redis", &in_redis));
    Ok(wrong)
}
