//! The configuration: environment variables, or flags.

pub(crate) mod kafka;

use std::{
    io::{IsTerminal as _, stderr},
    net::SocketAddr,
};

use clap::{Args, ValueEnum};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use self::kafka::KafkaOptions;

/// What every job needs. Secrets are read where the stores are opened.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Config {
    #[command(flatten)]
    pub(crate) kafka: KafkaOptions,
    /// The topic of events. Services that share a Kafka need one each. The consumer groups are named after it: interaction.events
    /// has the groups interaction.persister, interaction.trends and interaction.log.
    #[arg(long, env = "INTERACTION_TOPIC", global = true, default_value = "interaction.events")]
    pub(crate) topic: String,
    /// The dead-letter topic: records that cannot be applied. [default: the topic's name and .dlq]
    #[arg(long, env = "INTERACTION_DLQ_TOPIC", global = true)]
    pub(crate) dlq_topic: Option<String>,
    /// What keeps acknowledged changes when Redis crashes: the server's append-only file, or a durable log of the provider's
    /// own. With `provider`, `maxmemory-policy` is still checked, and `appendonly` and `appendfsync` are not.
    #[arg(long, env = "INTERACTION_REDIS_DURABILITY", global = true, default_value = "server")]
    pub(crate) redis_durability: RedisDurability,
    /// The format of the log on stderr. `RUST_LOG` sets the level.
    #[arg(long, env = "INTERACTION_LOG", global = true, default_value = "text")]
    pub(crate) log: LogForm,
    /// Where to serve Prometheus metrics and /health, such as 0.0.0.0:9464. Without it, they are not served.
    #[arg(long, env = "INTERACTION_METRICS_ADDRESS", global = true)]
    pub(crate) metrics_address: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) snapshot: SnapshotOptions,
    #[command(flatten)]
    pub(crate) consume: ConsumeOptions,
}

/// How often counters are saved, and how long the history of them is kept.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct SnapshotOptions {
    /// Seconds between two snapshots. `status` reports the job as missing after a minute without a snapshot.
    #[arg(long, env = "INTERACTION_SNAPSHOT_SECONDS", global = true, default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(1..=30))]
    pub(crate) snapshot_seconds: u64,
    /// How many days the articles' history by day is kept. It names no user.
    #[arg(long, env = "INTERACTION_HISTORY_DAYS", global = true, default_value_t = 400,
          value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) history_days: u32,
}

/// When a batch of events is applied: at a number of events, or some time after its first event. Also how long last reads stay.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConsumeOptions {
    /// The most events in one transaction.
    #[arg(long, env = "INTERACTION_BATCH_EVENTS", global = true, default_value_t = 5000,
          value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) batch_events: u32,
    /// How long the first event of a batch waits for others, in milliseconds.
    #[arg(long, env = "INTERACTION_BATCH_MS", global = true, default_value_t = 20)]
    pub(crate) batch_ms: u64,
    /// How many days the last read of each signed-in user and article is kept; 0 keeps none. The articles' read counts stay.
    #[arg(long, env = "INTERACTION_READ_HISTORY_DAYS", global = true, default_value_t = 365,
          value_parser = clap::value_parser!(u32).range(0..=36_500))]
    pub(crate) read_history_days: u32,
}

/// What keeps acknowledged changes when Redis crashes. The persister can check a server's settings, and must trust a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RedisDurability {
    Server,
    Provider,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    Text,
    Json,
}

/// Everything at `info`, unless `RUST_LOG` says otherwise.
pub(crate) fn log_to_stderr(form: LogForm) {
    // librdkafka warns about each connection that it is about to reopen. Errors that matter are returned to us.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,librdkafka=error"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(stderr().is_terminal());
    match form {
        LogForm::Text => lines.init(),
        LogForm::Json => lines.json().flatten_event(true).init(),
    }
}
