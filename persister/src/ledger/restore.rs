//! Writing Redis from MySQL.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use contract::{ArticleId, Partition, UserId, keys, scripts};
use futures::TryStreamExt as _;
use redis::Pipeline;
use sqlx::{MySqlPool, query_as, query_scalar};
use tracing::info;

use super::{
    bars, erased,
    refusal::{TAKEN_OVER, all_ok},
};
use crate::{
    metrics,
    store::{Store, StoreError, scripts::call, servers::Servers},
};

/// User ids of one call, and of one pipeline.
const PER_CALL: usize = 5000;
const PER_PIPELINE: usize = 20_000;
/// Bytes of sketches of one pipeline.
const SKETCHES: usize = 1 << 20;
const TELL: Duration = Duration::from_secs(1);

/// What a rebuild brought back, and in what time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) likes: u64,
    pub(crate) articles: u64,
    pub(crate) took: Duration,
}

impl Written {
    pub(crate) fn likes_per_second(&self) -> u64 {
        rate(self.likes, self.took)
    }
}

/// Writes likes, counters and bars of the partitions, which are empty and fenced for rebuild `id`.
pub(crate) async fn restore(
    mysql: &MySqlPool,
    redis: &mut Servers,
    partitions: &[Partition],
    id: &str,
) -> Result<Written, StoreError> {
    let concerned: HashSet<Partition> = partitions.iter().copied().collect();
    let mut writer = Writer { redis, id, calls: redis::pipe(), weight: 0 };
    let began = Instant::now();
    let likes = restore_likes(mysql, &mut writer, &concerned, began).await?;
    let articles = restore_stats(mysql, &mut writer, &concerned).await?;
    writer.flush().await?;
    restore_bars(mysql, writer.redis, partitions, id).await?;
    Ok(Written { likes, articles, took: began.elapsed() })
}

fn below(table: &str) -> StoreError {
    StoreError::Answer(Store::Mysql, format!("{table} has an id below 1"))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "for people")]
fn rate(count: u64, took: Duration) -> u64 {
    (count as f64 / took.as_secs_f64().max(0.001)) as u64
}

/// One scan of the index that has all of it, in the order of articles. The likers of one article are held at once: 8
/// bytes each. Rows of nobody, which an import may have brought, keep no partition cold.
async fn restore_likes(
    mysql: &MySqlPool,
    writer: &mut Writer<'_>,
    concerned: &HashSet<Partition>,
    began: Instant,
) -> Result<u64, StoreError> {
    // What they did before must not come back, even if a row of it is still there.
    let erased = erased::all(mysql).await?;
    // The counts follow the rows in the same transactions.
    let all: i64 =
        query_scalar("SELECT CAST(COALESCE(SUM(like_count), 0) AS SIGNED) FROM article_stats").fetch_one(mysql).await?;
    let mut rows = query_as::<_, (i64, i64, i64)>(
        "SELECT article_id, user_id, version_ms FROM user_like FORCE INDEX (by_article)
         WHERE status = 1 AND article_id > 0 AND user_id > 0
         ORDER BY article_id, status, version_ms, version_seq",
    )
    .fetch(mysql);
    let (mut current, mut users, mut total) = (None, Vec::new(), 0_u64);
    let (mut read, mut told) = (0_u64, Instant::now());
    while let Some((article, user, ms)) = rows.try_next().await? {
        let article = ArticleId::try_from(article).map_err(|_| below("user_like"))?;
        if current != Some(article) {
            if let Some(done) = current.replace(article) {
                writer.likes(done, &users).await?;
            }
            users.clear();
        }
        read += 1;
        if told.elapsed() > TELL {
            told = Instant::now();
            let took = began.elapsed();
            info!(read, of = all, restored = total, likes_per_second = rate(read, took), "rebuilding");
        }
        if !concerned.contains(&Partition::of(article)) || erased.get(&user).is_some_and(|at| ms <= *at) {
            continue;
        }
        users.push(UserId::try_from(user).map_err(|_| below("user_like"))?);
        total += 1;
    }
    if let Some(done) = current {
        writer.likes(done, &users).await?;
    }
    Ok(total)
}

async fn restore_stats(
    mysql: &MySqlPool,
    writer: &mut Writer<'_>,
    concerned: &HashSet<Partition>,
) -> Result<u64, StoreError> {
    let mut rows = query_as::<_, (i64, i64, Option<Vec<u8>>, i64)>(
        "SELECT article_id, pv, uv_sketch, read_count FROM article_stats
         WHERE article_id > 0 AND (pv > 0 OR read_count > 0)",
    )
    .fetch(mysql);
    let mut total = 0;
    while let Some((article, pv, sketch, reads)) = rows.try_next().await? {
        let article = ArticleId::try_from(article).map_err(|_| below("article_stats"))?;
        if concerned.contains(&Partition::of(article)) {
            writer.stats(article, pv, &sketch.unwrap_or_default(), reads).await?;
            total += 1;
        }
    }
    Ok(total)
}

/// Every partition has all of them.
async fn restore_bars(
    mysql: &MySqlPool,
    redis: &mut Servers,
    partitions: &[Partition],
    id: &str,
) -> Result<(), StoreError> {
    for users in bars::users(mysql).await?.chunks(1000) {
        let mut calls = redis::pipe();
        for partition in partitions {
            let mut restore = call(&scripts::RESTORE_BARS, [keys::warm(*partition), keys::barred(*partition)]);
            restore.arg(id).arg(users);
            calls.add_command(restore);
        }
        all_ok(redis, &calls, TAKEN_OVER).await?;
    }
    Ok(())
}

/// Gathers script calls into pipelines.
struct Writer<'a> {
    redis: &'a mut Servers,
    id: &'a str,
    calls: Pipeline,
    /// From 0 to 1: how full the pipeline is, in parts per million.
    weight: usize,
}

impl Writer<'_> {
    async fn likes(&mut self, article: ArticleId, users: &[UserId]) -> Result<(), StoreError> {
        metrics::REBUILT_LIKES.add(users.len() as u64, &[]);
        for some in users.chunks(PER_CALL) {
            let keys = [keys::warm(Partition::of(article)), keys::likes(article), keys::members(article)];
            let mut restore = call(&scripts::RESTORE_LIKES, keys);
            restore.arg(self.id).arg(users.len());
            for user in some {
                restore.arg(user.get());
            }
            // A call costs about as much as 20 ids.
            self.add(restore, (some.len() + 20) * 1_000_000 / PER_PIPELINE).await?;
        }
        Ok(())
    }

    async fn stats(&mut self, article: ArticleId, pv: i64, sketch: &[u8], reads: i64) -> Result<(), StoreError> {
        let keys = [keys::warm(Partition::of(article)), keys::pv(article), keys::uv(article), keys::reads(article)];
        let mut restore = call(&scripts::RESTORE_STATS, keys);
        restore.arg(self.id).arg(pv).arg(sketch).arg(reads);
        self.add(restore, 1000 + sketch.len() * 1_000_000 / SKETCHES).await
    }

    async fn add(&mut self, call: redis::Cmd, weight: usize) -> Result<(), StoreError> {
        self.calls.add_command(call);
        self.weight += weight;
        if self.weight >= 1_000_000 { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        all_ok(self.redis, &self.calls, TAKEN_OVER).await?;
        self.calls = redis::pipe();
        self.weight = 0;
        Ok(())
    }
}
