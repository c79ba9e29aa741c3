//! What is down, as text.

use super::{
    super::redis_settings::wrong,
    model::{Asked, Status},
};
use crate::output::counted;

/// A snapshot that is older than this, in seconds, is missing.
pub(crate) const STALE_SNAPSHOT: f64 = 60.0;
/// A ranking that is older than this is missing. Under load a ranking is about twenty seconds old.
pub(crate) const STALE_RANKING: f64 = 60.0;
/// If Redis has lacked a change of MySQL's for longer than this, the projection stands still. It usually takes
/// milliseconds, or seconds when another relay takes over.
pub(crate) const STALE_PROJECTION: f64 = 20.0;

pub(super) fn what_is_down(status: &Status) -> Vec<String> {
    let mut down = Vec::new();
    if let Asked::Down(why) = &status.redis {
        down.push(format!("redis: {why}"));
    }
    if let Asked::Down(why) = &status.mysql {
        down.push(format!("mysql: {why}"));
    }
    if let Asked::Down(why) = &status.kafka {
        down.push(format!("kafka: {why}"));
    }
    if let Some(redis) = status.redis.up()
        && redis.cold + redis.rebuilding > 0
    {
        down.push(format!("not served by Redis: {}", counted(redis.cold + redis.rebuilding, "partition")));
    }
    if let Some(redis) = status.redis.up() {
        down.extend(wrong(&redis.settings).map(|wrong| format!("not safe in Redis: {wrong}")));
    }
    if let Some(mysql) = status.mysql.up() {
        let is_warm = status.redis.up().is_some_and(|redis| redis.cold + redis.rebuilding == 0);
        if is_warm && mysql.projection_behind_seconds > STALE_PROJECTION {
            let changes = u64::try_from(mysql.outbox_to_project).unwrap_or_default();
            let behind = counted(changes, "change");
            down.push(format!("not shown by Redis for more than {STALE_PROJECTION} s: {behind} in MySQL"));
        }
        if mysql.relays == 0 {
            down.push("no relay runs".to_owned());
        }
        if mysql.warmers == 0 {
            down.push("nobody runs `warm`".to_owned());
        }
        if mysql.snapshot.as_ref().is_none_or(|snapshot| snapshot.seconds_ago > STALE_SNAPSHOT) {
            down.push(format!("no snapshot within {STALE_SNAPSHOT} s"));
        }
        if mysql.ranking_seconds_ago.is_none_or(|seconds| seconds > STALE_RANKING) {
            down.push(format!("no ranking within {STALE_RANKING} s"));
        }
    }
    if let Some(kafka) = status.kafka.up() {
        if kafka.consumers == 0 {
            down.push("no consumer runs".to_owned());
        }
        if kafka.dropped_events > 0 {
            let events = u64::try_from(kafka.dropped_events).unwrap_or_default();
            down.push(format!("dropped by Kafka before MySQL had them: {}", counted(events, "event")));
        }
    }
    down
}
