//! How the whole system is: asked once for people, every few seconds for the metrics.

mod ask;
mod gauges;
mod rates;
mod show;
mod watch;

use std::{process::ExitCode, time::Duration};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::pause,
    output::{counted, json_line, line},
    store::{Stores, kafka::Observer},
};

/// What `main` exits with where something is down.
const DOWN: u8 = 3;
const EVERY: Duration = Duration::from_secs(5);
/// A store that has not answered by then is down.
const PATIENCE: Duration = Duration::from_secs(6);
/// Jobs say that they live every second or oftener, the snapshot every few.
const SILENT: f64 = 15.0;
const STALE_SNAPSHOT: f64 = 60.0;
/// Under load a ranking is of some twenty seconds ago.
const STALE_RANKING: f64 = 60.0;

#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Look again every so many seconds, 2 if not said, until Ctrl-C, and say how fast things move. In a terminal the
    /// screen is drawn anew; elsewhere one follows the other, with --json an object a line.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
}

/// All that can be seen from outside the processes.
#[derive(Debug, Serialize)]
struct Status {
    at: Timestamp,
    redis: Asked<RedisStatus>,
    mysql: Asked<MysqlStatus>,
    kafka: Asked<KafkaStatus>,
    /// What is down, in words; empty if all is well.
    down: Vec<String>,
}

/// What a store said, or why it did not.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Asked<T> {
    Up(T),
    Down(String),
}

impl<T> Asked<T> {
    const fn up(&self) -> Option<&T> {
        match self {
            Self::Up(status) => Some(status),
            Self::Down(_) => None,
        }
    }
}

#[derive(Debug, Serialize)]
struct RedisStatus {
    version: String,
    /// That have partitions: one, or the masters of a cluster. The next two are of all together.
    servers: usize,
    used_memory_bytes: u64,
    /// 0 for no limit.
    maxmemory_bytes: u64,
    /// Served.
    warm: usize,
    /// Fenced, and nobody is at it yet.
    cold: usize,
    /// Fenced, and being written from MySQL.
    rebuilding: usize,
    outbox_entries: u64,
    outbox_longest: u64,
    /// The partition of the longest.
    outbox_longest_partition: u8,
    outbox_oldest_seconds: f64,
}

#[derive(Debug, Serialize)]
struct MysqlStatus {
    version: String,
    /// Relays that reported lately.
    relays: i64,
    /// Processes that warm, or stand by to, and reported lately.
    warmers: i64,
    collect_outbox: i64,
    snapshot: Option<Snapshot>,
    /// How long ago the moment is that the ranking of liked articles is of; none if there never was one.
    ranking_seconds_ago: Option<f64>,
    last_rebuild: Option<Rebuild>,
    /// When that one of the rebuilds was noticed to be needed which is the last to have lost anything, perhaps.
    last_loss: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Snapshot {
    seconds_ago: f64,
    took_ms: i64,
    articles: i64,
}

/// The last rebuild and what may have been lost before it, as `warm` keeps it.
#[derive(Debug, Serialize)]
struct Rebuild {
    noticed: Timestamp,
    took_ms: i64,
    reason: String,
    partitions: i32,
    likes: i64,
    articles: i64,
    /// Partitions that had served before.
    lost_of: i32,
    /// Entries that waited for the relay at the last look: those are lost at most,
    lost_waiting: i64,
    /// and what was acknowledged from that look to `noticed`.
    lost_from: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct KafkaStatus {
    brokers: usize,
    topic_partitions: usize,
    /// Members of the consumer group.
    consumers: usize,
    /// Offsets of all partitions together: the next to be written, and the next to be applied.
    written_events: i64,
    consumed_events: i64,
    lag_events: i64,
    lag_longest_events: i64,
    /// Dropped by Kafka before the group has applied them.
    dropped_events: i64,
    dead_letters: i64,
    /// None while MySQL, which knows what was replayed, does not answer.
    dead_letters_not_replayed: Option<i64>,
}

/// Prints it; the exit code says whether anything is down.
pub(crate) async fn run(
    stores: &Stores,
    options: &StatusOptions,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let observer = stores.kafka.observer()?;
    if let Some(seconds) = options.watch {
        watch::run(stores, &observer, Duration::from_secs(seconds), options.json, stop).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let status = Box::pin(Status::ask(stores, &observer)).await;
    if options.json { json_line(&status) } else { line(show::screen(&status, None)) }?;
    Ok(if status.down.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DOWN) })
}

/// Sets the gauges until `stop`.
pub(crate) async fn measure(stores: &Stores, stop: &CancellationToken) -> anyhow::Result<()> {
    let observer = stores.kafka.observer()?;
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => (),
            status = Box::pin(Status::ask(stores, &observer)) => gauges::set(&status),
        }
        pause(EVERY, stop).await;
    }
    Ok(())
}

impl Status {
    async fn ask(stores: &Stores, observer: &Observer) -> Self {
        let (redis, mysql, kafka) = tokio::join!(
            ask::within(ask::redis(stores)),
            ask::within(ask::mysql(stores)),
            ask::within(ask::kafka(stores, observer)),
        );
        let mut status = Self { at: Timestamp::now(), redis, mysql, kafka, down: Vec::new() };
        status.down = status.what_is_down();
        status
    }

    fn what_is_down(&self) -> Vec<String> {
        let mut down = Vec::new();
        if let Asked::Down(why) = &self.redis {
            down.push(format!("redis: {why}"));
        }
        if let Asked::Down(why) = &self.mysql {
            down.push(format!("mysql: {why}"));
        }
        if let Asked::Down(why) = &self.kafka {
            down.push(format!("kafka: {why}"));
        }
        if let Some(redis) = self.redis.up()
            && redis.cold + redis.rebuilding > 0
        {
            down.push(format!("not served by Redis: {}", counted(redis.cold + redis.rebuilding, "partition")));
        }
        if let Some(mysql) = self.mysql.up() {
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
                down.push(format!("no ranking of liked articles within {STALE_RANKING} s"));
            }
        }
        if let Some(kafka) = self.kafka.up() {
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
}
