//! How the whole system is, as far as it can be seen from outside the processes.

use jiff::Timestamp;
use serde::Serialize;

use super::super::redis_settings::Setting;

/// All that can be seen from outside the processes.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) at: Timestamp,
    pub(crate) redis: Asked<RedisStatus>,
    pub(crate) mysql: Asked<MysqlStatus>,
    pub(crate) kafka: Asked<KafkaStatus>,
    /// What is down, in words; empty if all is well.
    pub(crate) down: Vec<String>,
}

/// What a store said, or why it did not.
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
    /// That have partitions: one, or the masters of a cluster. The next two are of all together.
    pub(crate) servers: usize,
    pub(crate) used_memory_bytes: u64,
    /// 0 for no limit.
    pub(crate) maxmemory_bytes: u64,
    pub(crate) settings: Vec<Setting>,
    /// Served.
    pub(crate) warm: usize,
    /// Fenced, and nobody rebuilds it yet.
    pub(crate) cold: usize,
    /// Fenced, and being written from MySQL.
    pub(crate) rebuilding: usize,
    pub(crate) outbox_entries: u64,
    pub(crate) outbox_longest: u64,
    /// The partition of the longest.
    pub(crate) outbox_longest_partition: u8,
    pub(crate) outbox_oldest_seconds: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct MysqlStatus {
    pub(crate) version: String,
    /// Relays that reported lately.
    pub(crate) relays: i64,
    /// Processes that warm, or stand by to, and reported lately.
    pub(crate) warmers: i64,
    /// Rows of MySQL's outbox that are not in Kafka, and those that Redis does not show.
    pub(crate) outbox_to_ship: i64,
    pub(crate) outbox_to_project: i64,
    /// How long ago the oldest of those was committed that Redis does not show; 0 if there is none.
    pub(crate) projection_behind_seconds: f64,
    pub(crate) snapshot: Option<Snapshot>,
    /// How long ago the moment is that the ranking is of; none if there never was one.
    pub(crate) ranking_seconds_ago: Option<f64>,
    pub(crate) last_rebuild: Option<Rebuild>,
    /// When that one of the rebuilds was noticed to be needed which is the last to have lost anything, perhaps.
    pub(crate) last_loss: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    pub(crate) seconds_ago: f64,
    pub(crate) took_ms: i64,
    pub(crate) articles: i64,
}

/// The last rebuild and what may have been lost before it, as `warm` keeps it.
#[derive(Debug, Serialize)]
pub(crate) struct Rebuild {
    pub(crate) noticed: Timestamp,
    pub(crate) took_ms: i64,
    pub(crate) reason: String,
    pub(crate) partitions: i32,
    /// Users of all kinds and articles.
    pub(crate) members: i64,
    pub(crate) articles: i64,
    /// Partitions that had served before.
    pub(crate) lost_of: i32,
    /// Entries that waited for the relay at the last look: those are lost at most,
    pub(crate) lost_waiting: i64,
    /// and what was acknowledged from that look to `noticed`.
    pub(crate) lost_from: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
pub(crate) struct KafkaStatus {
    pub(crate) brokers: usize,
    pub(crate) topic_partitions: usize,
    /// Members of the consumer group.
    pub(crate) consumers: usize,
    /// Offsets of all partitions together: the next to be written, and the next to be applied.
    pub(crate) written_events: i64,
    pub(crate) consumed_events: i64,
    pub(crate) lag_events: i64,
    pub(crate) lag_longest_events: i64,
    /// Dropped by Kafka before the group has applied them.
    pub(crate) dropped_events: i64,
    pub(crate) dead_letters: i64,
    /// None while MySQL, which knows what was replayed, does not answer.
    pub(crate) dead_letters_not_replayed: Option<i64>,
}
