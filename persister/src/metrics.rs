//! Every metric of the persister: its name, kind and meaning, in this file alone.
//!
//! Counters and histograms are of this process. Gauges are of the whole system: the process that runs `warm` measures
//! every few seconds, and leaves out what it could not measure.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use metrics_util::MetricKindMask;

use crate::store::{Store, StoreError};

/// The labels of one observation. The values come from a fixed list, so that no outsider can create time series.
type Labels<'a> = &'a [(&'static str, &'static str)];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Counter(&'static str);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauge(&'static str);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Histogram(&'static str);

impl Counter {
    pub(crate) fn add(self, count: u64, labels: Labels<'_>) {
        ::metrics::counter!(self.0, labels).increment(count);
    }

    fn describe(self, help: &'static str) {
        ::metrics::describe_counter!(self.0, help);
    }
}

impl Gauge {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
    pub(crate) fn set(self, value: i64, labels: Labels<'_>) {
        ::metrics::gauge!(self.0, labels).set(value as f64);
    }

    pub(crate) fn set_seconds(self, value: f64) {
        ::metrics::gauge!(self.0).set(value);
    }

    pub(crate) fn set_ratio(self, value: f64) {
        ::metrics::gauge!(self.0).set(value);
    }

    fn describe(self, help: &'static str) {
        ::metrics::describe_gauge!(self.0, help);
    }
}

impl Histogram {
    pub(crate) fn observe(self, value: f64) {
        ::metrics::histogram!(self.0).record(value);
    }

    pub(crate) fn observe_time(self, took: Duration) {
        self.observe(took.as_secs_f64());
    }

    fn describe(self, help: &'static str) {
        ::metrics::describe_histogram!(self.0, help);
    }
}

macro_rules! table {
    ($($constant:ident: $kind:ident = $name:literal, $help:literal;)*) => {
        $(pub(crate) const $constant: $kind = $kind($name);)*

        fn describe_all() {
            $($constant.describe($help);)*
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$($name),*];
    };
}

table! {
    RELAYED: Counter = "interaction_relay_entries_total",
        "Outbox entries that Kafka has confirmed; outbox=redis or mysql.";
    PROJECTED: Counter = "interaction_projected_entries_total",
        "Entries of MySQL's outbox that were projected to Redis, including repeated ones.";
    PROJECTION_LAG: Histogram = "interaction_projection_lag_seconds",
        "Seconds from a change in MySQL until its projection in Redis.";
    UNDELIVERED: Counter = "interaction_relay_delivery_failures_total",
        "Entries that Kafka did not accept in time. They stay in their outbox and are sent again.";
    CONSUMED: Counter = "interaction_consumer_events_total",
        "Events whose batch is durable in MySQL, including repeated deliveries; type=a kind's name or read.";
    ROWS_WRITTEN: Counter = "interaction_consumer_rows_written_total",
        "Events that were newer than their row and changed it; kind.";
    ROWS_SKIPPED: Counter = "interaction_consumer_rows_skipped_total",
        "Events that changed no row: older than the row, replaced within their batch, of an erased user, or of a deleted article; kind.";
    RETRIES: Counter = "interaction_consumer_retries_total",
        "Batches that failed in MySQL and were tried again; reason=deadlock, stalled or error.";
    BATCH_EVENTS: Histogram = "interaction_consumer_batch_events",
        "Events in a batch.";
    BATCH_SECONDS: Histogram = "interaction_consumer_batch_seconds",
        "Seconds until a batch was durable, including retries.";
    LAG_SECONDS: Histogram = "interaction_event_lag_seconds",
        "Seconds from an event's occurred_at (by Redis's clock) until it was durable in MySQL (by this process's clock).";
    DEAD_LETTERED: Counter = "interaction_dead_letters_total",
        "Records put into the dead-letter queue; reason=outbox_entry, mysql_outbox_row, undecodable, refused_by_mysql or id_collision.";
    INTERRUPTED: Counter = "interaction_job_interruptions_total",
        "Times that a job began again after an error; name of the job, and store=redis, mysql, kafka or other.";
    SNAPSHOT_SECONDS: Histogram = "interaction_snapshot_seconds",
        "Seconds that a snapshot of PV, UV and reads took.";
    SNAPSHOT_ARTICLES: Counter = "interaction_snapshot_articles_total",
        "Articles saved by snapshots.";
    TRENDS_EVENTS: Counter = "interaction_trends_events_total",
        "Changes that the ranking job has read; outcome=counted, repeated (counted before) or late.";
    REBUILDS: Counter = "interaction_rebuilds_total",
        "Rebuilds of Redis from MySQL that succeeded.";
    REBUILT_MEMBERS: Counter = "interaction_rebuilt_members_total",
        "Pairs of user and article that rebuilds sent to Redis, including a rebuild in progress; kind.";
    STORE_UP: Gauge = "interaction_store_up",
        "1 if the store answered when last asked, else 0; store=redis, mysql or kafka.";
    PARTITIONS: Gauge = "interaction_partitions",
        "Partitions of Redis; state=warm (served), cold (fenced) or rebuilding (fenced, being written).";
    OUTBOX_ENTRIES: Gauge = "interaction_outbox_entries",
        "Entries of all of Redis's outboxes that Kafka has not confirmed.";
    OUTBOX_LONGEST: Gauge = "interaction_outbox_longest_entries",
        "Entries of the longest outbox. At outbox_max_length, its partition refuses changes and reads.";
    OUTBOX_OLDEST: Gauge = "interaction_outbox_oldest_seconds",
        "Age of the oldest entry in any outbox, by Redis's clock; 0 if there is none.";
    REDIS_MEMORY: Gauge = "interaction_redis_memory_bytes",
        "Memory that Redis uses, summed over all servers.";
    REDIS_MAXMEMORY: Gauge = "interaction_redis_maxmemory_bytes",
        "Memory that Redis may use, summed over all servers; 0 if there is no limit.";
    REDIS_FULLEST: Gauge = "interaction_redis_fullest_ratio",
        "The share of its maxmemory that the fullest server of Redis uses; absent if no server has a limit.";
    REDIS_UNSAFE: Gauge = "interaction_redis_unsafe_setting",
        "1 if a Redis server has another value than the service needs, else 0; absent if it is unknown or not checked; setting.";
    MYSQL_OUTBOX: Gauge = "interaction_mysql_outbox_entries",
        "Rows in MySQL's outbox that wait for delivery; waiting_for=kafka or redis (the projection).";
    RELAYS: Gauge = "interaction_relays",
        "Relays that reported to MySQL within the last seconds.";
    WARMERS: Gauge = "interaction_warmers",
        "Processes that run `warm`, active or standing by, and reported to MySQL within the last seconds.";
    CONSUMERS: Gauge = "interaction_consumers",
        "Members of the consumer group.";
    CONSUMER_LAG: Gauge = "interaction_consumer_lag_events",
        "Events in Kafka that the consumers have not committed, summed over all partitions of the topic.";
    CONSUMER_LAG_LONGEST: Gauge = "interaction_consumer_lag_longest_events",
        "The consumer lag of the partition that is furthest behind, in events.";
    DROPPED_EVENTS: Gauge = "interaction_consumer_dropped_events",
        "Events that Kafka dropped before the consumers applied them, until the consumers have continued after the gap.";
    DEAD_LETTERS: Gauge = "interaction_dead_letters_held",
        "Records in the dead-letter queue, including replayed ones.";
    DEAD_LETTERS_OPEN: Gauge = "interaction_dead_letters_open",
        "Records in the dead-letter queue that have not been replayed.";
    SNAPSHOT_AGE: Gauge = "interaction_snapshot_age_seconds",
        "Seconds since the last snapshot was complete.";
    RANKING_AGE: Gauge = "interaction_ranking_age_seconds",
        "Seconds since the ranking's as_of.";
    LAST_REBUILD_AGE: Gauge = "interaction_last_rebuild_age_seconds",
        "Seconds since the loss was noticed that led to the last rebuild.";
    LAST_REBUILD_SECONDS: Gauge = "interaction_last_rebuild_seconds",
        "Seconds that partitions were fenced for the last rebuild.";
    LAST_REBUILD_MEMBERS: Gauge = "interaction_last_rebuild_members",
        "Pairs of user and article that the last rebuild wrote.";
    LAST_LOSS_AGE: Gauge = "interaction_last_loss_age_seconds",
        "Seconds since the last loss of data in Redis was noticed that may have lost acknowledged changes.";
    LAST_LOSS_WAITING: Gauge = "interaction_last_loss_waiting_entries",
        "Entries that waited for the relay when the lost Redis was last seen whole. They are part of the bound of the last loss.";
    LAST_LOSS_WINDOW: Gauge = "interaction_last_loss_window_seconds",
        "Seconds from that moment until the loss was noticed. Changes acknowledged within them may be lost too.";
}

const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];
const EVENTS: &[f64] = &[1.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0, 20_000.0];
/// A gauge that was not set for this long belongs to a store that does not answer.
const STALE: Duration = Duration::from_secs(20);

/// Serves the metrics on every path except `/health`, which answers while the process runs. The process ends if one of
/// its jobs fails for good.
pub(crate) fn serve(address: SocketAddr) -> anyhow::Result<()> {
    PrometheusBuilder::new()
        .with_http_listener(address)
        .set_buckets(SECONDS)?
        .set_buckets_for_metric(Matcher::Full(BATCH_EVENTS.0.to_owned()), EVENTS)?
        .idle_timeout(MetricKindMask::GAUGE, Some(STALE))
        .install()
        .with_context(|| format!("INTERACTION_METRICS_ADDRESS {address} cannot be listened on"))?;
    describe_all();
    // `rate` misses the first step from nothing, so the counters of failures exist before the first failure.
    UNDELIVERED.add(0, &[]);
    for reason in ["deadlock", "stalled", "error"] {
        RETRIES.add(0, &[("reason", reason)]);
    }
    Ok(())
}

/// A job starts again after this error. The label is not `job`, because Prometheus has one of that name for what it scrapes, and
/// would rename ours.
pub(crate) fn interrupted(name: &'static str, error: &anyhow::Error) {
    INTERRUPTED.add(1, &[("name", name), ("store", store_of(error))]);
}

/// The store that an error came from.
fn store_of(error: &anyhow::Error) -> &'static str {
    match error.downcast_ref().and_then(StoreError::store) {
        Some(Store::Redis) => "redis",
        Some(Store::Mysql) => "mysql",
        Some(Store::Kafka) => "kafka",
        None => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const RUNBOOK: &str = include_str!("../../docs/operations.md");

    /// Every `interaction_…` word of a text, without the endings that Prometheus adds to a histogram's name.
    fn named(text: &str) -> BTreeSet<&str> {
        text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'))
            // A table has this prefix too.
            .filter(|word| word.starts_with("interaction_") && *word != "interaction_count")
            .map(|word| {
                let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| word.strip_suffix(suffix));
                histogram.filter(|word| NAMES.contains(word)).unwrap_or(word)
            })
            .collect()
    }

    #[test]
    fn the_runbook_names_every_metric_and_no_other() {
        assert_eq!(named(RUNBOOK), NAMES.iter().copied().collect());
    }

    #[test]
    fn an_error_is_of_the_store_it_came_from() {
        use anyhow::anyhow;
        let of = |error: StoreError| store_of(&anyhow::Error::from(error).context("in a job's words"));
        assert_eq!(of(redis::RedisError::from((redis::ErrorKind::Io, "gone")).into()), "redis");
        assert_eq!(of(sqlx::Error::PoolTimedOut.into()), "mysql");
        assert_eq!(of(rdkafka::error::KafkaError::Canceled.into()), "kafka");
        assert_eq!(of(StoreError::Stalled { store: Store::Mysql, within: Duration::from_secs(1) }), "mysql");
        assert_eq!(store_of(&anyhow!("partition 5 changed while it was looked at")), "other");
    }
}
