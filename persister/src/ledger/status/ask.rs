//! Asks each store separately, so that one that is down hides nothing of the others.

use std::{error::Error as _, time::Duration};

use contract::Partition;
use jiff::Timestamp;
use sqlx::query_scalar;

use super::{
    super::{
        clock::time,
        dead_letters,
        markers::{Marker, markers},
        mysql_outbox::{Work, waiting},
        rebuilds, redis_settings, snapshot, trends,
    },
    down::what_is_down,
    model::{Asked, KafkaStatus, MysqlStatus, Rebuild, RedisStatus, Snapshot, Status},
};
use crate::store::{
    StoreError, Stores,
    info::{number_of, word_of},
};

/// A store that has not answered after this time is down.
const PATIENCE: Duration = Duration::from_secs(6);
/// Jobs report at least every second; the snapshot job every few seconds.
const SILENT: f64 = 15.0;

/// Asks all stores at the same time.
pub(crate) async fn ask(stores: &Stores) -> Status {
    let (redis, mysql, kafka) = tokio::join!(asked(redis(stores)), asked(mysql(stores)), asked(kafka(stores)));
    let mut status = Status { at: Timestamp::now(), redis, mysql, kafka, down: Vec::new() };
    status.down = what_is_down(&status);
    status
}

async fn asked<T>(question: impl Future<Output = Result<T, StoreError>>) -> Asked<T> {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(status)) => Asked::Up(status),
        // The status names the store, so the error need not.
        Ok(Err(error)) => Asked::Down(error.source().map_or_else(|| error.to_string(), ToString::to_string)),
        Err(_) => Asked::Down(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn redis(stores: &Stores) -> Result<RedisStatus, StoreError> {
    let mut redis = stores.redis.connect().await?;
    let mut infos = Vec::new();
    for server in redis.each() {
        infos.push(redis::cmd("INFO").query_async::<String>(server).await?);
    }
    let sum = |name| infos.iter().map(|info| number_of(info, name)).sum();
    let settings = redis_settings::settings(&mut redis).await?;
    let partitions = redis.partitions();
    let markers = markers(&mut redis, &partitions).await?;
    let now_ms = u64::try_from(time(&mut redis).await?.as_millisecond()).unwrap_or_default();
    let is_warm =
        |partition: &Partition, marker: &Marker| redis.name(*partition).is_ok_and(|name| name == marker.server);
    let warm = markers.iter().filter(|(partition, marker)| is_warm(partition, marker)).count();
    let rebuilding = markers.iter().filter(|(_, marker)| !marker.rebuild.is_empty()).count();
    let longest = markers.iter().max_by_key(|(_, marker)| marker.waiting);
    let longest = longest.ok_or_else(|| StoreError::Other("no partition".to_owned()))?;
    let oldest = markers.iter().filter_map(|(_, marker)| marker.oldest).map(|oldest| oldest.ms).min();
    Ok(RedisStatus {
        version: infos.first().and_then(|info| word_of(info, "redis_version")).unwrap_or_default().to_owned(),
        servers: infos.len(),
        used_memory_bytes: sum("used_memory"),
        maxmemory_bytes: sum("maxmemory"),
        settings,
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

async fn mysql(stores: &Stores) -> Result<MysqlStatus, StoreError> {
    let mysql = &stores.mysql;
    // In a cluster a relay has one session with each server.
    let relays = "SELECT COUNT(DISTINCT SUBSTRING_INDEX(relay_id, '@', 1)) FROM relay_session
                  WHERE seen_at > UTC_TIMESTAMP(3) - INTERVAL ? SECOND";
    let warmers = "SELECT COUNT(*) FROM warmer WHERE seen_at > UTC_TIMESTAMP(3) - INTERVAL ? SECOND";
    let oldest = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000000 AS SIGNED) - at_ms * 1000 FROM outbox
                  WHERE projected = FALSE ORDER BY id LIMIT 1";
    let last = snapshot::last(mysql).await?;
    Ok(MysqlStatus {
        version: query_scalar("SELECT VERSION()").fetch_one(mysql).await?,
        relays: query_scalar(relays).bind(SILENT).fetch_one(mysql).await?,
        warmers: query_scalar(warmers).bind(SILENT).fetch_one(mysql).await?,
        outbox_to_ship: waiting(mysql, Work::Ship, i64::MAX).await?,
        outbox_to_project: waiting(mysql, Work::Project, i64::MAX).await?,
        projection_behind_seconds: query_scalar(oldest).fetch_optional(mysql).await?.map_or(0.0, age),
        snapshot: last.map(|(micros, took_ms, articles)| Snapshot { seconds_ago: age(micros), took_ms, articles }),
        ranking_seconds_ago: trends::age(mysql).await?.map(age),
        last_rebuild: rebuilds::last(mysql).await?.map(rebuild_of),
        last_loss: rebuilds::last_loss(mysql).await?,
    })
}

/// Seconds, never below zero, since clocks differ.
fn age(micros: i64) -> f64 {
    seconds_of(u64::try_from(micros / 1000).unwrap_or(0))
}

fn rebuild_of(row: rebuilds::Row) -> Rebuild {
    let (noticed, took_ms, reason, partitions, members, articles, lost_of, lost_waiting, lost_from) = row;
    let time = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
    let (noticed, lost_from) = (time(noticed), lost_from.map(time));
    Rebuild { noticed, took_ms, reason, partitions, members, articles, lost_of, lost_waiting, lost_from }
}

async fn kafka(stores: &Stores) -> Result<KafkaStatus, StoreError> {
    let progress = stores.kafka.progress().await?;
    let queue = stores.kafka.ends(&stores.kafka.dlq_topic).await?;
    let (brokers, consumers) = stores.kafka.members().await?;
    let replayed = dead_letters::count_within(&stores.mysql, &stores.kafka.dlq_topic, &queue).await;
    let behind = || progress.0.values().map(|end| end.next - end.committed);
    let held: i64 = queue.values().map(|(first, next)| next - first).sum();
    let not_replayed = replayed.ok().map(|replayed| held - replayed);
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
        dead_letters_not_replayed: not_replayed,
    })
}
