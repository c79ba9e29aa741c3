//! The state of the whole system, as far as it can be seen from outside the processes.

use jiff::Timestamp;
use serde::Serialize;

use super::super::redis_settings::Setting;
use crate::config::RedisDurability;

/// Everything that can be seen from outside the processes.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) at: Timestamp,
    pub(crate) redis: Asked<RedisStatus>,
    pub(crate) mysql: Asked<MysqlStatus>,
    pub(crate) kafka: Asked<KafkaStatus>,
    /// What is down, as text. Empty if everything is well.
    pub(crate) down: Vec<String>,
}

/// A store's answer, or why it did not answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Asked<T> {
    Up(T),
    Down(String),
}

impl<T> Asked<T> {
    pub(crate) const fn up(&self) -> Option<&T> {
        match self {
            Self::Up(status) => Some(status),
            Self::Down(_) => None,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct RedisStatus {
    pub(crate) version: String,
    /// The number of servers that have partitions: one, or the masters of a cluster. The next two fields are totals.
    pub(crate) servers: usize,
    pub(crate) used_memory_bytes: u64,
    /// 0 for no limit.
    pub(crate) maxmemory_bytes: u64,
    /// The share of its limit that the fullest server uses. None if no server has a limit.
    pub(crate) fullest_server: Option<f64>,
    pub(crate) settings: Vec<Setting>,
    /// As configured, not as seen: if it is the provider, `settings` lacks those of the append-only file.
    pub(crate) durability: RedisDurability,
    /// Partitions that are served.
    pub(crate) warm: usize,
    /// Partitions that are fenced and not being rebuilt yet.
    pub(crate) cold: usize,
    /// Partitions that are fenced and being written from MySQL.
    pub(crate) rebuilding: usize,
    pub(crate) outbox_entries: u64,
    pub(crate) outbox_longest: u64,
    /// The partition of the longest outbox.
    pub(crate) outbox_longest_partition: u8,
    pub(crate) outbox_oldest_seconds: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct MysqlStatus {
    pub(crate) version: String,
    /// Relays that reported lately.
    pub(crate) relays: i64,
    /// Processes that warm or stand by, and reported lately.
    pub(crate) warmers: i64,
    /// Rows of MySQL's outbox that are not in Kafka, and rows that Redis does not show.
    pub(crate) outbox_to_ship: i64,
    pub(crate) outbox_to_project: i64,
    /// The age of the oldest row that Redis does not show; 0 if there is none.
    pub(crate) projection_behind_seconds: f64,
    pub(crate) snapshot: Option<Snapshot>,
    /// The age of the ranking. None if there never was one.
    pub(crate) ranking_seconds_ago: Option<f64>,
    pub(crate) last_rebuild: Option<Rebuild>,
    /// When the last rebuild that may have lost something was noticed.
    pub(crate) last_loss: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    pub(crate) seconds_ago: f64,
    pub(crate) took_ms: i64,
    pub(crate) articles: i64,
}

/// The last rebuild and its possible loss, as `warm` recorded it.
#[derive(Debug, Serialize)]
pub(crate) struct Rebuild {
    pub(crate) noticed: Timestamp,
    pub(crate) took_ms: i64,
    pub(crate) reason: String,
    pub(crate) partitions: i32,
    /// Pairs of users and articles, of all kinds.
    pub(crate) members: i64,
    pub(crate) articles: i64,
    /// Partitions that had served before.
    pub(crate) lost_of: i32,
    /// Entries that waited for the relay when last seen: these may be lost,
    pub(crate) lost_waiting: i64,
    /// and everything acknowledged from then until `noticed`.
    pub(crate) lost_from: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
pub(crate) struct KafkaStatus {
    pub(crate) brokers: usize,
    pub(crate) topic_partitions: usize,
    /// Members of the consumer group.
    pub(crate) consumers: usize,
    /// Sums over all partitions: the next offset to be written, and the next to be applied.
    pub(crate) written_events: i64,
    pub(crate) consumed_events: i64,
    pub(crate) lag_events: i64,
    pub(crate) lag_longest_events: i64,
    /// Records that Kafka dropped before the group applied them.
    pub(crate) dropped_events: i64,
    pub(crate) dead_letters: i64,
    /// None while MySQL, which knows what was replayed, does not answer.
    pub(crate) dead_letters_not_replayed: Option<i64>,
}
