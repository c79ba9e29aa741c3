//! Asking each store by itself: one that is down hides nothing of the others.

use std::collections::BTreeMap;

use anyhow::Context as _;
use contract::Partition;
use jiff::Timestamp;
use sqlx::{MySqlPool, query_as, query_scalar};

use super::{Asked, KafkaStatus, MysqlStatus, PATIENCE, Rebuild, RedisStatus, SILENT, Snapshot};
use crate::{
    store::{Stores, kafka::Observer, redis::number_of, redis::word_of},
    warm::{Marker, markers},
};

pub(super) async fn within<T>(question: impl Future<Output = anyhow::Result<T>>) -> Asked<T> {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(status)) => Asked::Up(status),
        Ok(Err(error)) => Asked::Down(format!("{error:#}")),
        Err(_) => Asked::Down(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

pub(super) async fn redis(stores: &Stores) -> anyhow::Result<RedisStatus> {
    let mut redis = stores.redis.connect().await?;
    let mut infos = Vec::new();
    for server in redis.each() {
        infos.push(redis::cmd("INFO").query_async::<String>(server).await?);
    }
    let sum = |name| infos.iter().map(|info| number_of(info, name)).sum();
    let partitions = redis.partitions();
    let markers = markers(&mut redis, &partitions).await?;
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(redis.any()?).await?;
    let now_ms = seconds * 1000 + micros / 1000;
    let is_warm =
        |partition: &Partition, marker: &Marker| redis.name(*partition).is_ok_and(|name| name == marker.run_id);
    let warm = markers.iter().filter(|(partition, marker)| is_warm(partition, marker)).count();
    let rebuilding = markers.iter().filter(|(_, marker)| marker.rebuilding).count();
    let longest = markers.iter().max_by_key(|(_, marker)| marker.waiting).context("no partition")?;
    let oldest = markers.iter().filter_map(|(_, marker)| marker.oldest).map(|oldest| oldest.ms).min();
    Ok(RedisStatus {
        version: infos.first().and_then(|info| word_of(info, "redis_version")).unwrap_or_default().to_owned(),
        servers: infos.len(),
        used_memory_bytes: sum("used_memory"),
        maxmemory_bytes: sum("maxmemory"),
        warm,
        cold: usize::from(Partition::COUNT).saturating_sub(warm + rebuilding),
        rebuilding,
        outbox_entries: markers.iter().map(|(_, marker)| marker.waiting).sum(),
        outbox_longest: longest.1.waiting,
        outbox_longest_partition: longest.0.get(),
        outbox_oldest_seconds: oldest.map_or(0.0, |ms| seconds_of(now_ms.saturating_sub(ms))),
    })
}

#[expect(clippy::cast_precision_loss, reason = "an age in milliseconds")]
fn seconds_of(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

pub(super) async fn mysql(stores: &Stores) -> anyhow::Result<MysqlStatus> {
    let mysql = &stores.mysql;
    // In a cluster a relay has a session with each server.
    let relays = "SELECT COUNT(DISTINCT SUBSTRING_INDEX(relay_id, '@', 1)) FROM relay_session WHERE seen_at > UTC_TIMESTAMP(3) - INTERVAL ? SECOND";
    let warmers = "SELECT COUNT(*) FROM warmer WHERE seen_at > UTC_TIMESTAMP(3) - INTERVAL ? SECOND";
    Ok(MysqlStatus {
        version: query_scalar("SELECT VERSION()").fetch_one(mysql).await?,
        relays: query_scalar(relays).bind(SILENT).fetch_one(mysql).await?,
        warmers: query_scalar(warmers).bind(SILENT).fetch_one(mysql).await?,
        collect_outbox: query_scalar("SELECT COUNT(*) FROM collect_outbox").fetch_one(mysql).await?,
        snapshot: snapshot(mysql).await?,
        ranking_seconds_ago: ranking(mysql).await?,
        last_rebuild: last_rebuild(mysql).await?,
        last_loss: query_scalar::<_, Option<i64>>("SELECT MAX(noticed_ms) FROM rebuild WHERE lost_of > 0")
            .fetch_one(mysql)
            .await?
            .and_then(|ms| Timestamp::from_millisecond(ms).ok()),
    })
}

async fn snapshot(mysql: &MySqlPool) -> sqlx::Result<Option<Snapshot>> {
    let last: Option<(i64, i64, i64)> =
        query_as("SELECT TIMESTAMPDIFF(MICROSECOND, ended_at, UTC_TIMESTAMP(3)), took_ms, articles FROM last_snapshot")
            .fetch_optional(mysql)
            .await?;
    Ok(last.map(|(micros, took_ms, articles)| Snapshot { seconds_ago: age(micros), took_ms, articles }))
}

async fn ranking(mysql: &MySqlPool) -> sqlx::Result<Option<f64>> {
    let micros: Option<Option<i64>> =
        query_scalar("SELECT TIMESTAMPDIFF(MICROSECOND, as_of, UTC_TIMESTAMP(3)) FROM trends")
            .fetch_optional(mysql)
            .await?;
    Ok(micros.flatten().map(age))
}

/// Seconds; none below zero, since clocks differ.
fn age(micros: i64) -> f64 {
    seconds_of(u64::try_from(micros / 1000).unwrap_or(0))
}

async fn last_rebuild(mysql: &MySqlPool) -> sqlx::Result<Option<Rebuild>> {
    type Row = (i64, i64, String, i32, i64, i64, i32, i64, Option<i64>);
    let last: Option<Row> = query_as(
        "SELECT noticed_ms, took_ms, reason, partitions, likes, articles, lost_of, lost_waiting, lost_from_ms
         FROM rebuild ORDER BY id DESC LIMIT 1",
    )
    .fetch_optional(mysql)
    .await?;
    let time = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
    Ok(last.map(|(noticed, took_ms, reason, partitions, likes, articles, lost_of, lost_waiting, lost_from)| Rebuild {
        noticed: time(noticed),
        took_ms,
        reason,
        partitions,
        likes,
        articles,
        lost_of,
        lost_waiting,
        lost_from: lost_from.map(time),
    }))
}

pub(super) async fn kafka(stores: &Stores, observer: &Observer) -> anyhow::Result<KafkaStatus> {
    let progress = observer.progress().await?;
    let queue = observer.ends(&stores.kafka.dlq_topic).await?;
    let (brokers, consumers) = observer.members().await?;
    let behind = || progress.0.values().map(|end| end.next - end.committed);
    let held = queue.values().map(|(first, next)| next - first).sum();
    Ok(KafkaStatus {
        brokers,
        topic_partitions: progress.0.len(),
        consumers,
        written_events: progress.0.values().map(|end| end.next).sum(),
        consumed_events: progress.0.values().map(|end| end.committed).sum(),
        lag_events: behind().sum(),
        lag_longest_events: behind().max().unwrap_or(0),
        dropped_events: progress.dropped(),
        dead_letters: held,
        dead_letters_not_replayed: replayed(stores, &queue).await.ok().map(|replayed| held - replayed),
    })
}

/// How many of the records that the queue still holds were put back.
async fn replayed(stores: &Stores, queue: &BTreeMap<i32, (i64, i64)>) -> sqlx::Result<i64> {
    let mut replayed = 0;
    for (partition, (first, next)) in queue {
        let count = "SELECT COUNT(*) FROM dlq_replayed WHERE topic = ? AND p = ? AND record >= ? AND record < ?";
        replayed += query_scalar::<_, i64>(count)
            .bind(&stores.kafka.dlq_topic)
            .bind(partition)
            .bind(first)
            .bind(next)
            .fetch_one(&stores.mysql)
            .await?;
    }
    Ok(replayed)
}
