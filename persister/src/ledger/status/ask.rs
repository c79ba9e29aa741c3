//! Asks each store separately, so that a store that is down hides nothing about the others.

use std::{error::Error as _, time::Duration};

use contract::Partition;
use jiff::Timestamp;
use sqlx::{MySqlConnection, query_scalar};

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
    Store, StoreError, Stores,
    info::{number_of, word_of},
    mysql::given_back,
    observer::Ends,
    within,
};

/// A store that has not answered after this time is down.
const PATIENCE: Duration = Duration::from_secs(6);
/// The same for MySQL, where it only adds a number to the status of another store.
const PATIENCE_BESIDE: Duration = Duration::from_secs(2);
/// A relay or `warm` that has not reported for this many seconds counts as gone. Each reports at least every second.
const SILENT: f64 = 15.0;

/// Asks all stores at the same time.
pub(crate) async fn ask(stores: &Stores) -> Status {
    let redis = within(PATIENCE, Store::Redis, redis(stores));
    let kafka = within(PATIENCE, Store::Kafka, kafka(stores));
    let (redis, mysql, kafka) = tokio::join!(redis, mysql(stores), kafka);
    let (redis, mysql, kafka) = (asked(redis), asked(mysql), asked(kafka));
    let mut status = Status { at: Timestamp::now(), redis, mysql, kafka, down: Vec::new() };
    status.down = what_is_down(&status);
    status
}

fn asked<T>(answer: Result<T, StoreError>) -> Asked<T> {
    match answer {
        Ok(status) => Asked::Up(status),
        Err(StoreError::Stalled { within, .. }) => Asked::Down(format!("no answer within {} s", within.as_secs())),
        // The status names the store, so the error need not.
        Err(error) => Asked::Down(error.source().map_or_else(|| error.to_string(), ToString::to_string)),
    }
}

async fn redis(stores: &Stores) -> Result<RedisStatus, StoreError> {
    let mut redis = stores.redis.connect().await?;
    let mut infos = Vec::new();
    for server in redis.each() {
        infos.push(redis::cmd("INFO").query_async::<String>(server).await?);
    }
    let sum = |name| infos.iter().map(|info| number_of(info, name)).sum();
    let settings = redis_settings::settings(&mut redis, stores.redis_durability).await?;
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
        fullest_server: fullest(&infos),
        settings,
        durability: stores.redis_durability,
        warm,
        cold: usize::from(Partition::COUNT).saturating_sub(warm + rebuilding),
        rebuilding,
        outbox_entries: markers.iter().map(|(_, marker)| marker.waiting).sum(),
        outbox_longest: longest.1.waiting,
        outbox_longest_partition: longest.0.get(),
        outbox_oldest_seconds: oldest.map_or(0.0, |ms| seconds_of(now_ms.saturating_sub(ms))),
    })
}

/// The share of its `maxmemory` that the fullest server uses. None if no server has a limit.
#[expect(clippy::cast_precision_loss, reason = "a share of bytes")]
fn fullest(infos: &[String]) -> Option<f64> {
    let share = |info: &String| {
        let limit = number_of(info, "maxmemory");
        (limit > 0).then(|| number_of(info, "used_memory") as f64 / limit as f64)
    };
    infos.iter().filter_map(share).max_by(f64::total_cmp)
}

#[expect(clippy::cast_precision_loss, reason = "an age in milliseconds")]
fn seconds_of(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

async fn mysql(stores: &Stores) -> Result<MysqlStatus, StoreError> {
    let mut connection = stores.mysql.acquire().await?;
    let outcome = within(PATIENCE, Store::Mysql, mysql_status(&mut connection)).await;
    given_back(connection, outcome)
}

async fn mysql_status(mysql: &mut MySqlConnection) -> Result<MysqlStatus, StoreError> {
    // In a cluster a relay has one session with each server.
    let relays = "SELECT COUNT(DISTINCT SUBSTRING_INDEX(relay_id, '@', 1)) FROM relay_session
                  WHERE seen_at > UTC_TIMESTAMP(3) - INTERVAL ? SECOND";
    let warmers = "SELECT COUNT(*) FROM warmer WHERE seen_at > UTC_TIMESTAMP(3) - INTERVAL ? SECOND";
    let oldest = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000000 AS SIGNED) - at_ms * 1000 FROM outbox
                  WHERE projected = FALSE ORDER BY id LIMIT 1";
    let last = snapshot::last(&mut *mysql).await?;
    Ok(MysqlStatus {
        version: query_scalar("SELECT VERSION()").fetch_one(&mut *mysql).await?,
        relays: query_scalar(relays).bind(SILENT).fetch_one(&mut *mysql).await?,
        warmers: query_scalar(warmers).bind(SILENT).fetch_one(&mut *mysql).await?,
        outbox_to_ship: waiting(&mut *mysql, Work::Ship, i64::MAX).await?,
        outbox_to_project: waiting(&mut *mysql, Work::Project, i64::MAX).await?,
        projection_behind_seconds: query_scalar(oldest).fetch_optional(&mut *mysql).await?.map_or(0.0, age),
        snapshot: last.map(|(micros, took_ms, articles)| Snapshot { seconds_ago: age(micros), took_ms, articles }),
        ranking_seconds_ago: trends::age(&mut *mysql).await?.map(age),
        last_rebuild: rebuilds::last(&mut *mysql).await?.map(rebuild_of),
        last_loss: rebuilds::last_loss(&mut *mysql).await?,
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
    let replayed = replayed(stores, &queue).await;
    let behind = || progress.0.values().map(|end| end.next - end.committed);
    let held: i64 = queue.values().map(|(first, next)| next - first).sum();
    let not_replayed = replayed.map(|replayed| held - replayed);
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

/// How many dead letters were put back, if MySQL says so at once.
async fn replayed(stores: &Stores, queue: &Ends) -> Option<i64> {
    let mut connection = Box::pin(within(PATIENCE_BESIDE, Store::Mysql, stores.mysql.acquire())).await.ok()?;
    let count = dead_letters::count_within(&mut connection, &stores.kafka.dlq_topic, queue);
    let outcome = within(PATIENCE_BESIDE, Store::Mysql, count).await;
    given_back(connection, outcome).ok()
}

#[cfg(test)]
mod tests {
    use super::fullest;

    #[test]
    fn one_full_server_shows_among_empty_ones() {
        let info = |used: u64, limit: u64| format!("# Memory\r\nused_memory:{used}\r\nmaxmemory:{limit}\r\n");
        assert_eq!(fullest(&[info(100, 1000), info(900, 1000), info(200, 1000)]), Some(0.9));
        assert_eq!(fullest(&[info(900, 0), info(100, 1000)]), Some(0.1));
        assert_eq!(fullest(&[info(900, 0)]), None);
    }
}
