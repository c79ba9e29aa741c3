//! The status as gauges, every few seconds. A gauge whose store did not answer is not set.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    backoff::pause,
    ledger::status::{Asked, KafkaStatus, MysqlStatus, RedisStatus, Status, ask},
    metrics,
    store::Stores,
};

const EVERY: Duration = Duration::from_secs(5);

/// Sets the gauges until `stop`.
pub(crate) async fn measure(stores: &Stores, stop: &CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => (),
            status = Box::pin(ask(stores)) => set(&status),
        }
        pause(EVERY, stop).await;
    }
    Ok(())
}

fn set(status: &Status) {
    store("redis", &status.redis, redis);
    store("mysql", &status.mysql, mysql);
    store("kafka", &status.kafka, kafka);
    let since = |earlier| status.at.duration_since(earlier).as_secs_f64();
    if let Some(loss) = status.mysql.up().and_then(|mysql| mysql.last_loss) {
        metrics::LAST_LOSS_AGE.set_seconds(since(loss));
    }
    if let Some(rebuild) = status.mysql.up().and_then(|mysql| mysql.last_rebuild.as_ref()) {
        metrics::LAST_REBUILD_AGE.set_seconds(since(rebuild.noticed));
        // A rebuild that was cut short took no time yet.
        if rebuild.took_ms > 0 {
            let took = Duration::from_millis(rebuild.took_ms.unsigned_abs());
            metrics::LAST_REBUILD_SECONDS.set_seconds(took.as_secs_f64());
            metrics::LAST_REBUILD_MEMBERS.set(rebuild.members, &[]);
        }
        metrics::LAST_LOSS_WAITING.set(rebuild.lost_waiting, &[]);
        if let Some(from) = rebuild.lost_from {
            metrics::LAST_LOSS_WINDOW.set_seconds(rebuild.noticed.duration_since(from).as_secs_f64());
        }
    }
}

fn store<T>(name: &'static str, asked: &Asked<T>, set: impl FnOnce(&T)) {
    metrics::STORE_UP.set(i64::from(asked.up().is_some()), &[("store", name)]);
    if let Some(status) = asked.up() {
        set(status);
    }
}

fn redis(status: &RedisStatus) {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    for (state, count) in [("warm", status.warm), ("cold", status.cold), ("rebuilding", status.rebuilding)] {
        metrics::PARTITIONS.set(number(count as u64), &[("state", state)]);
    }
    metrics::REDIS_MEMORY.set(number(status.used_memory_bytes), &[]);
    metrics::REDIS_MAXMEMORY.set(number(status.maxmemory_bytes), &[]);
    if let Some(share) = status.fullest_server {
        metrics::REDIS_FULLEST.set_ratio(share);
    }
    for setting in status.settings.iter().filter(|setting| setting.is_wrong() || setting.is_known()) {
        metrics::REDIS_UNSAFE.set(i64::from(setting.is_wrong()), &[("setting", setting.name)]);
    }
    metrics::OUTBOX_ENTRIES.set(number(status.outbox_entries), &[]);
    metrics::OUTBOX_LONGEST.set(number(status.outbox_longest), &[]);
    metrics::OUTBOX_OLDEST.set_seconds(status.outbox_oldest_seconds);
}

fn mysql(status: &MysqlStatus) {
    metrics::RELAYS.set(status.relays, &[]);
    metrics::WARMERS.set(status.warmers, &[]);
    metrics::MYSQL_OUTBOX.set(status.outbox_to_ship, &[("waiting_for", "kafka")]);
    metrics::MYSQL_OUTBOX.set(status.outbox_to_project, &[("waiting_for", "redis")]);
    // A time that never was counts as very old, so that an alert fires.
    metrics::SNAPSHOT_AGE.set_seconds(status.snapshot.as_ref().map_or(f64::INFINITY, |snapshot| snapshot.seconds_ago));
    metrics::RANKING_AGE.set_seconds(status.ranking_seconds_ago.unwrap_or(f64::INFINITY));
}

fn kafka(status: &KafkaStatus) {
    metrics::CONSUMERS.set(i64::try_from(status.consumers).unwrap_or(i64::MAX), &[]);
    metrics::CONSUMER_LAG.set(status.lag_events, &[]);
    metrics::CONSUMER_LAG_LONGEST.set(status.lag_longest_events, &[]);
    metrics::DROPPED_EVENTS.set(status.dropped_events, &[]);
    metrics::DEAD_LETTERS.set(status.dead_letters, &[]);
    if let Some(open) = status.dead_letters_not_replayed {
        metrics::DEAD_LETTERS_OPEN.set(open, &[]);
    }
}
