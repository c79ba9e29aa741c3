//! The options of `persister migrate`.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct MigrateOptions {
    /// Partitions of the event topic, if `migrate` creates it. At most this many consumers can work at once. Choose a divisor
    /// of 128, so that every partition of the topic gets the same number of the service's 128 partitions.
    #[arg(long, env = "INTERACTION_TOPIC_PARTITIONS", default_value_t = 16,
          value_parser = clap::value_parser!(i32).range(1..=128))]
    pub(crate) topic_partitions: i32,
    /// Copies of each partition. 1 suits one broker; production wants 3, which also sets `min.insync.replicas` to 2.
    #[arg(long, env = "INTERACTION_TOPIC_REPLICATION", default_value_t = 1,
          value_parser = clap::value_parser!(i32).range(1..=9))]
    pub(crate) topic_replication: i32,
    /// How many days Kafka keeps the events, which are the audit log.
    #[arg(long, env = "INTERACTION_TOPIC_RETENTION_DAYS", default_value_t = 28,
          value_parser = clap::value_parser!(i32).range(1..=3650))]
    pub(crate) topic_retention_days: i32,
    /// The database user of the components, as user or user@host. `migrate` grants it what they need and no more.
    #[arg(long, env = "INTERACTION_HANDLERS_DB_USER")]
    pub(crate) handlers_db_user: Option<String>,
    /// How long to wait for MySQL and Kafka to come up, in seconds.
    #[arg(long, env = "INTERACTION_MIGRATE_WAIT_SECONDS", default_value_t = 60)]
    pub(crate) wait_seconds: u64,
}
