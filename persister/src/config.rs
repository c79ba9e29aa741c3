//! The configuration: the environment, or the same by flags.

use std::{
    io::{IsTerminal as _, stderr},
    net::SocketAddr,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::{
    audit::AuditOptions, bars::BarsCommand, dlq::DlqCommand, erase::EraseOptions, reconcile::ReconcileOptions,
    revoke::RevokeOptions, status::StatusOptions,
};

/// What is secret is no flag, since the machine's other users could read it.
const SECRETS: &str =
    "Secrets come from the environment, or each from the file that the variable of the same name with \
_FILE at its end names:
  INTERACTION_REDIS_URL       redis[s]://[user:password@]host:port[/db]; rediss is TLS
  INTERACTION_MYSQL_URL       mysql://user:password@host:port/database[?ssl-mode=VERIFY_IDENTITY]
  INTERACTION_KAFKA_PASSWORD  with --kafka-security sasl_ssl

TLS trusts the system's certificate authorities, or those in the file that SSL_CERT_FILE names.

Examples:
  persister migrate --handlers-db-user handlers   # once for each release, as the owner of the database
  persister run                                   # all jobs in one process
  persister status                                # how the whole system is";

const ANY_NUMBER: &str = "Example: persister relay --metrics-address 0.0.0.0:9464

Any number of processes share the work.";
const STAND_BY: &str = "Example: persister warm --metrics-address 0.0.0.0:9464

A second process stands by, and goes on where the first one died.";

/// Moves what Redis acknowledged into Kafka and MySQL, and brings Redis back from MySQL.
#[derive(Debug, Parser)]
#[command(version, about, after_help = SECRETS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) config: Config,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create or update the MySQL schema, create the Kafka topics, grant the handlers' rights. Safe to repeat.
    ///
    /// Run it as the MySQL user that owns the database; the jobs need no right to change tables.
    #[command(after_help = "Example: persister migrate --handlers-db-user handlers --topic-replication 3")]
    Migrate(MigrateOptions),
    /// Ship the outboxes of Redis and of MySQL to Kafka.
    #[command(after_help = ANY_NUMBER)]
    Relay,
    /// Apply the events of Kafka to MySQL.
    #[command(after_help = "Example: persister consume --batch-events 10000

Any number of processes share the work, as many as the topic has partitions.")]
    Consume,
    /// Save page views, visitors and reads of Redis in MySQL, every few seconds.
    #[command(after_help = "Example: persister snapshot --snapshot-seconds 2")]
    Snapshot,
    /// Bring a restarted Redis back into service, rebuilding it from MySQL where it lost anything.
    #[command(after_help = STAND_BY)]
    Warm,
    /// Rank the articles that gained most likes within the last hour and the last day. One process is enough.
    #[command(after_help = "Example: persister trends --metrics-address 0.0.0.0:9464")]
    Trends,
    /// Show on one screen how the whole system is: stores, partitions, outboxes, lag, dead letters, snapshot, rebuild.
    ///
    /// Exits with 3 if something is down: a store, a partition that is not served, a job that nobody does. With --watch
    /// it looks again and again until Ctrl-C, says how fast things move, and exits with 0.
    #[command(after_help = "Examples:
  persister status
  persister status --json | jq .down
  persister status --watch            # every 2 seconds
  persister status --watch 5 --json | jq -c .rates")]
    Status(StatusOptions),
    /// Look into the dead-letter queue, and put back what can be applied after all.
    Dlq {
        #[command(subcommand)]
        command: DlqCommand,
    },
    /// Compare the likes in Redis with those in MySQL while traffic runs, and repair what differs.
    ///
    /// A difference counts only once MySQL has applied all that Redis had acknowledged when it was seen. Exits with 3
    /// if differences remain, or articles that could not be compared since their partition is not warm.
    #[command(after_help = "Example: persister reconcile --sample 1000 --repair")]
    Reconcile(ReconcileOptions),
    /// Show who did what, when, and from where, out of the log in Kafka.
    ///
    /// An event that was delivered twice is shown twice, with the same version.
    #[command(after_help = "Example: persister audit --article 42 --since 2026-11-22T12:00:00Z --json")]
    Audit(AuditOptions),
    /// Take back the likes that still stand because of the selected events, and no others.
    ///
    /// A like that its user took back, or took back and gave again, is left alone; so is one that `reconcile --repair`
    /// has said again since. Without --execute nothing is changed. To do it twice changes nothing. Exits with 3 if it
    /// has to be repeated for some likes.
    #[command(after_help = "Example: persister revoke --ip-hash 0af7 --since 2026-11-22T12:00:00Z --bar --execute")]
    Revoke(RevokeOptions),
    /// See who may neither like nor collect, bar users, and let them in again.
    Bars {
        #[command(subcommand)]
        command: BarsCommand,
    },
    /// Erase a user: all likes, favourites and last reads, out of Redis, MySQL and the counts.
    ///
    /// Meanwhile the user is barred: some seconds, or as long as it takes to ask Redis about every article. What
    /// remains, and until when, is told at the end. No delivery, replay or rebuild brings anything back. To do it again
    /// finishes what was cut short.
    #[command(after_help = "Example: persister erase --user 7")]
    Erase(EraseOptions),
    /// All of relay, consume, snapshot, warm and trends in one process.
    #[command(after_help = "Example: INTERACTION_LOG=json persister run --metrics-address 0.0.0.0:9464")]
    Run,
}

impl Command {
    /// Whether it runs until it is stopped, and not for a moment only.
    pub(crate) const fn runs_on(&self) -> bool {
        matches!(self, Self::Relay | Self::Consume | Self::Snapshot | Self::Warm | Self::Trends | Self::Run)
    }
}

/// What every job needs, but for the secrets: see [`crate::secret`].
#[derive(Debug, Clone, Args)]
pub(crate) struct Config {
    /// Kafka's bootstrap brokers, as host:port[,host:port…].
    #[arg(
        long,
        env = "INTERACTION_KAFKA_BROKERS",
        hide_env_values = true,
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) kafka_brokers: String,
    /// How Kafka is spoken to, in its own words for it.
    #[arg(long, env = "INTERACTION_KAFKA_SECURITY", global = true, default_value = "plaintext")]
    pub(crate) kafka_security: KafkaSecurity,
    /// The user at Kafka, for `sasl_ssl`.
    #[arg(long, env = "INTERACTION_KAFKA_USERNAME", global = true, default_value = "", hide_default_value = true)]
    pub(crate) kafka_username: String,
    /// The topic of events.
    #[arg(long, env = "INTERACTION_TOPIC", global = true, default_value = "interaction.events")]
    pub(crate) topic: String,
    /// The topic of what cannot be applied.
    #[arg(long, env = "INTERACTION_DLQ_TOPIC", global = true, default_value = "interaction.events.dlq")]
    pub(crate) dlq_topic: String,
    /// The form of the log lines on stderr; which of them is up to `RUST_LOG`.
    #[arg(long, env = "INTERACTION_LOG", global = true, default_value = "text")]
    pub(crate) log: LogForm,
    /// Where to serve metrics in Prometheus's form, as 0.0.0.0:9464, and /health; nowhere if not set.
    #[arg(long, env = "INTERACTION_METRICS_ADDRESS", global = true)]
    pub(crate) metrics_address: Option<SocketAddr>,
    /// Seconds between two snapshots; `status` takes it for missing after a minute without one.
    #[arg(long, env = "INTERACTION_SNAPSHOT_SECONDS", global = true, default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(1..=30))]
    pub(crate) snapshot_seconds: u64,
    #[command(flatten)]
    pub(crate) consume: ConsumeOptions,
}

/// When a batch of events is applied: at so many events, or so long after its first.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConsumeOptions {
    /// Events in one transaction at most.
    #[arg(long, env = "INTERACTION_BATCH_EVENTS", global = true, default_value_t = 5000,
          value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) batch_events: u32,
    /// How long the first event of a batch waits for others, in milliseconds.
    #[arg(long, env = "INTERACTION_BATCH_MS", global = true, default_value_t = 20)]
    pub(crate) batch_ms: u64,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateOptions {
    /// Partitions of the event topic, if it has to be created. At most that many consumers share the work, and it
    /// should divide 128, so that each gets as many of the service's own partitions.
    #[arg(long, env = "INTERACTION_TOPIC_PARTITIONS", default_value_t = 16,
          value_parser = clap::value_parser!(i32).range(1..=128))]
    pub(crate) topic_partitions: i32,
    /// Copies of each partition. 1 suits one broker; production wants 3, which also sets `min.insync.replicas` to 2.
    #[arg(long, env = "INTERACTION_TOPIC_REPLICATION", default_value_t = 1,
          value_parser = clap::value_parser!(i32).range(1..=9))]
    pub(crate) topic_replication: i32,
    /// How long Kafka keeps the events, which are the audit log, in days.
    #[arg(long, env = "INTERACTION_TOPIC_RETENTION_DAYS", default_value_t = 28,
          value_parser = clap::value_parser!(i32).range(1..=3650))]
    pub(crate) topic_retention_days: i32,
    /// The database user of the components, as user or user@host; if set, it is granted what they need and no more.
    #[arg(long, env = "INTERACTION_HANDLERS_DB_USER")]
    pub(crate) handlers_db_user: Option<String>,
    /// How long to wait for MySQL and Kafka to come up, in seconds.
    #[arg(long, env = "INTERACTION_MIGRATE_WAIT_SECONDS", default_value_t = 60)]
    pub(crate) wait_seconds: u64,
}

/// Kafka's `security.protocol`; with a user, the mechanism is SCRAM-SHA-512.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum KafkaSecurity {
    /// Neither TLS nor a user.
    Plaintext,
    /// TLS.
    Ssl,
    /// TLS, and a user with a password, by SCRAM-SHA-512.
    SaslSsl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    Text,
    Json,
}

/// Everything at `info` except where `RUST_LOG` says otherwise.
pub(crate) fn log_to_stderr(form: LogForm) {
    // librdkafka warns of each connection that it will make again by itself; what matters reaches us as an error.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,librdkafka=error"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(stderr().is_terminal());
    match form {
        LogForm::Text => lines.init(),
        LogForm::Json => lines.json().flatten_event(true).init(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    const ARGUMENTS: [&str; 16] = [
        "relay",
        "migrate",
        "audit",
        "revoke",
        "erase",
        "dlq",
        "list",
        "--article",
        "--since",
        "--user",
        "--batch-events",
        "--snapshot-seconds",
        "--topic-partitions",
        "--log",
        "--",
        "7",
    ];

    proptest! {
        #[test]
        fn any_command_line_is_in_range_or_refused(
            line in vec(prop_oneof![select(ARGUMENTS.to_vec()).prop_map(str::to_owned), "\\PC{0,8}"], 0..8),
        ) {
            let Ok(cli) = Cli::try_parse_from(["persister".to_owned()].into_iter().chain(line)) else { return Ok(()) };
            prop_assert!((1..=20_000).contains(&cli.config.consume.batch_events));
            prop_assert!((1..=30).contains(&cli.config.snapshot_seconds));
            if let Command::Migrate(options) = cli.command {
                prop_assert!((1..=128).contains(&options.topic_partitions));
            }
        }
    }

    #[test]
    fn a_number_out_of_its_range_is_refused() {
        for line in [
            "run --batch-events 0",
            "run --batch-events 20001",
            "run --batch-ms -1",
            "run --snapshot-seconds 0",
            "run --snapshot-seconds 31",
            "run --snapshot-seconds 1.5",
            "run --log xml",
            "migrate --topic-partitions 129",
            "migrate --topic-replication 0",
            "migrate --topic-retention-days 99999999999",
            "erase --user 0",
            "audit --article 9223372036854775808",
            "audit --since yesterday",
            "status --watch 0",
            "status --watch 3601",
            "status --watch --watch",
        ] {
            assert!(Cli::try_parse_from(["persister"].into_iter().chain(line.split(' '))).is_err(), "{line}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_has_an_example() {
        fn look(command: &mut clap::Command) {
            let help = command.render_long_help().to_string();
            assert!(command.has_subcommands() || help.contains("Example"), "{}", command.get_name());
            command.get_subcommands_mut().filter(|command| command.get_name() != "help").for_each(look);
        }
        assert!(Cli::command().render_long_help().to_string().contains("Examples:"));
        look(&mut Cli::command());
    }
}
