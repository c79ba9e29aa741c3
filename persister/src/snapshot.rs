//! Saves page views, visitors and reads of Redis in MySQL, so that a rebuild can bring them back.
//!
//! Likes need no snapshot: each is an event. Views are too many to be events; a Redis that is lost whole loses those of
//! the last few seconds.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use contract::{ArticleId, Partition, keys, scripts};
use redis::{FromRedisValue as _, Value};
use sqlx::{MySqlPool, QueryBuilder, query};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    backoff::{Backoff, pause},
    metrics,
    store::{
        Stores,
        redis::{Place, call, run_scripts},
        servers::Servers,
    },
};

/// Articles of one partition in one round; also the rows of one statement, whose sketches have up to 12 KiB each.
const PER_PARTITION: usize = 100;

#[derive(Debug)]
struct Counters {
    article: ArticleId,
    pv: i64,
    uv: i64,
    sketch: Vec<u8>,
    reads: i64,
}

/// Runs until `stop`, over any outage. Any number may run at once.
pub(crate) async fn run(stores: Stores, seconds: u64, stop: CancellationToken) -> anyhow::Result<()> {
    let mut backoff = Backoff::new();
    while !stop.is_cancelled() {
        let began = Instant::now();
        match save_all(&stores, &stop).await {
            Ok(saved) => {
                debug!(saved, "snapshot");
                metrics::SNAPSHOT_SECONDS.observe_time(began.elapsed());
                metrics::SNAPSHOT_ARTICLES.add(saved, &[]);
                backoff.reset();
                pause(Duration::from_secs(seconds), &stop).await;
            }
            Err(error) => {
                metrics::interrupted("snapshot", &error);
                warn!("snapshot interrupted, what it did not save stays listed: {error:#}");
                backoff.wait(&stop).await;
            }
        }
    }
    Ok(())
}

/// Saves what has changed since the last time, server by server: one that is down keeps no other waiting.
async fn save_all(stores: &Stores, stop: &CancellationToken) -> anyhow::Result<u64> {
    let began = Instant::now();
    let (mut saved, mut failed) = (0, None);
    for place in stores.redis.places().await.context("Redis")? {
        match save_one(stores, &place, stop).await {
            Ok(count) => saved += count,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    remember(&stores.mysql, began.elapsed(), saved).await.context("MySQL")?;
    Ok(saved)
}

/// In rounds over all partitions of a server. Cold partitions have nothing to say.
async fn save_one(stores: &Stores, place: &Place, stop: &CancellationToken) -> anyhow::Result<u64> {
    let mut redis = stores.redis.connect_to(place).await.context("Redis")?;
    let mut saved = 0;
    let mut partitions = place.partitions.clone();
    while !partitions.is_empty() && !stop.is_cancelled() {
        let mut taken = take(&mut redis, &partitions).await?;
        taken.retain(|(_, articles)| !articles.is_empty());
        // A partition that gave fewer than asked for is done; what changed since is for the next time.
        partitions = taken.iter().filter(|(_, of)| of.len() >= PER_PARTITION).map(|(p, _)| *p).collect();
        for some in taken.chunks(8) {
            let mut counters = read(&mut redis, some).await?;
            counters.sort_unstable_by_key(|counters| counters.article);
            for rows in counters.chunks(PER_PARTITION) {
                write(&stores.mysql, rows).await.context("MySQL")?;
            }
            saved += counters.len() as u64;
            done(&mut redis, &counters).await?;
        }
    }
    Ok(saved)
}

/// For those who ask how old the last snapshot is.
async fn remember(mysql: &MySqlPool, took: Duration, articles: u64) -> sqlx::Result<()> {
    query("REPLACE INTO last_snapshot (one, ended_at, took_ms, articles) VALUES (1, UTC_TIMESTAMP(3), ?, ?)")
        .bind(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
        .bind(articles)
        .execute(mysql)
        .await?;
    Ok(())
}

/// Names articles that changed, by partition.
async fn take(redis: &mut Servers, partitions: &[Partition]) -> anyhow::Result<Vec<(Partition, Vec<ArticleId>)>> {
    let mut calls = redis::pipe();
    for partition in partitions {
        let keys = [keys::warm(*partition), keys::changed(*partition), keys::saving(*partition)];
        let mut take = call(&scripts::SNAPSHOT_TAKE, keys);
        take.arg(redis.name(*partition).context("Redis")?).arg(PER_PARTITION);
        calls.add_command(take);
    }
    let answers: Vec<Vec<String>> = run_scripts(redis, &calls).await.context("Redis")?;
    let named = partitions.iter().zip(answers).map(|(partition, answer)| {
        let articles = answer.iter().skip(1).filter_map(|id| id.parse().ok()).collect();
        (*partition, articles)
    });
    Ok(named.collect())
}

async fn read(redis: &mut Servers, taken: &[(Partition, Vec<ArticleId>)]) -> anyhow::Result<Vec<Counters>> {
    let mut calls = redis::pipe();
    for (partition, articles) in taken {
        let of_articles =
            articles.iter().flat_map(|article| [keys::pv(*article), keys::uv(*article), keys::reads(*article)]);
        let mut read = call(&scripts::SNAPSHOT_READ, std::iter::once(keys::warm(*partition)).chain(of_articles));
        read.arg(redis.name(*partition).context("Redis")?);
        calls.add_command(read);
    }
    let answers: Vec<Vec<Value>> = run_scripts(redis, &calls).await.context("Redis")?;
    let mut counters = Vec::new();
    for ((_, articles), answer) in taken.iter().zip(answers) {
        // Else it went cold in between.
        if answer.len() == 1 + 4 * articles.len() {
            for (article, values) in articles.iter().zip(answer[1..].chunks(4)) {
                counters.push(Counters::of(*article, values)?);
            }
        }
    }
    Ok(counters)
}

impl Counters {
    fn of(article: ArticleId, values: &[Value]) -> anyhow::Result<Self> {
        let [pv, uv, sketch, reads] = values else { anyhow::bail!("snapshot_read answered in an unknown form") };
        let number = |value: &Value| i64::from_redis_value_ref(value).context("snapshot_read answered no number");
        let counters = Self {
            article,
            pv: number(pv)?,
            uv: number(uv)?,
            sketch: Vec::from_redis_value_ref(sketch).context("snapshot_read answered no bytes")?,
            reads: number(reads)?,
        };
        ensure!(counters.pv >= 0 && counters.uv >= 0 && counters.reads >= 0, "a counter of {article} is negative");
        Ok(counters)
    }
}

/// Rows come in ascending order of articles, as every writer of the table takes its locks. No number is ever lowered:
/// a snapshot may be late.
async fn write(mysql: &MySqlPool, rows: &[Counters]) -> sqlx::Result<()> {
    let mut insert =
        QueryBuilder::new("INSERT INTO article_stats (article_id, pv, uv, uv_sketch, read_count, updated_at) ");
    insert.push_values(rows, |mut row, of| {
        row.push_bind(of.article.get()).push_bind(of.pv).push_bind(of.uv);
        row.push_bind((!of.sketch.is_empty()).then_some(&of.sketch[..])).push_bind(of.reads).push("UTC_TIMESTAMP(3)");
    });
    // Assigned from left to right: the sketch is compared by the old number of visitors, which goes with it.
    insert.push(
        " ON DUPLICATE KEY UPDATE
            pv = GREATEST(pv, VALUES(pv)),
            uv_sketch = IF(VALUES(uv) >= uv, VALUES(uv_sketch), uv_sketch),
            uv = GREATEST(uv, VALUES(uv)),
            read_count = GREATEST(read_count, VALUES(read_count)),
            updated_at = VALUES(updated_at)",
    );
    insert.build().execute(mysql).await?;
    Ok(())
}

async fn done(redis: &mut Servers, saved: &[Counters]) -> anyhow::Result<()> {
    let mut calls = redis::pipe();
    for counters in saved {
        let Counters { article, pv, reads, .. } = counters;
        let partition = Partition::of(*article);
        let keys = [keys::saving(partition), keys::changed(partition), keys::pv(*article), keys::reads(*article)];
        let mut done = call(&scripts::SNAPSHOT_DONE, keys);
        done.arg(article.to_string()).arg(pv).arg(reads);
        calls.add_command(done);
    }
    run_scripts::<u64>(redis, &calls).await.context("Redis")?;
    Ok(())
}
