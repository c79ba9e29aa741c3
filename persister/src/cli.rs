//! The command line: what can be asked for, and what is run for it.

mod help;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use self::help::{ANY_NUMBER, SECRETS, STAND_BY};
use crate::{
    commands::{
        audit::{self, AuditOptions},
        bars::{self, BarsCommand},
        delete_article::{self, DeleteArticleOptions},
        dlq::{self, DlqCommand},
        erase::{self, EraseOptions},
        export::{self, ExportOptions},
        import::{self, ImportOptions},
        migrate::{self, MigrateOptions},
        reconcile::{self, ReconcileOptions},
        revoke::{self, RevokeOptions},
        status::{self, StatusOptions},
    },
    config::{self, Config},
    jobs::{consume, relay, run, snapshot, trends},
    metrics,
    signals::stop_on_signal,
    store::Stores,
};

/// Moves acknowledged changes from Redis to Kafka and MySQL, and rebuilds Redis from MySQL.
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
    /// Run it as the MySQL user that owns the database. The jobs need no right to change tables.
    #[command(after_help = "Example: persister migrate --handlers-db-user handlers --topic-replication 3")]
    Migrate(MigrateOptions),
    /// Ship the outboxes of Redis and MySQL to Kafka.
    #[command(after_help = ANY_NUMBER)]
    Relay,
    /// Apply Kafka's events to MySQL.
    #[command(after_help = "Example: persister consume --batch-events 10000

Any number of processes share the work, as many as the topic has partitions.")]
    Consume,
    /// Save page views, visitors and reads from Redis to MySQL, every few seconds.
    #[command(after_help = "Example: persister snapshot --snapshot-seconds 2")]
    Snapshot,
    /// Bring a restarted Redis back into service; rebuild it from MySQL where it lost data.
    #[command(after_help = STAND_BY)]
    Warm,
    /// Rank the articles that gained most of each counter in the last hour, day and week, and keep the history by day.
    ///
    /// One process works. Others stand by.
    #[command(after_help = "Example: persister trends --metrics-address 0.0.0.0:9464")]
    Trends,
    /// Show the whole system on one screen: stores, partitions, outboxes, lag, dead letters, snapshot, rebuild.
    ///
    /// Exits with 3 if anything is down: a store does not answer, partitions are not served, Redis has an unsafe setting, Redis
    /// has lacked a change of MySQL's for over 20 s, no relay, `warm` or consumer runs, the last snapshot or ranking is over a
    /// minute old, or Kafka dropped events that MySQL does not have. With --watch it refreshes until Ctrl-C, shows rates, and
    /// exits with 0.
    #[command(after_help = "Examples:
  persister status
  persister status --json | jq .down
  persister status --watch            # every 2 seconds
  persister status --watch 5 --json | jq -c .rates")]
    Status(StatusOptions),
    /// List the dead-letter queue, and replay the records that can be applied now.
    Dlq {
        #[command(subcommand)]
        command: DlqCommand,
    },
    /// Compare each kind in Redis and MySQL while traffic runs, and repair differences.
    ///
    /// A difference counts only when the store that follows has caught up with the store that decides. Exits with 3 if
    /// differences remain, or if articles could not be compared because their partition is not warm.
    #[command(after_help = "Example: persister reconcile --sample 1000 --repair")]
    Reconcile(ReconcileOptions),
    /// Show who did what, when and from where, from the log in Kafka.
    ///
    /// An event that was delivered twice appears twice, with the same version.
    #[command(after_help = "Example: persister audit --article 42 --since 2026-11-22T12:00:00Z --json")]
    Audit(AuditOptions),
    /// Switch off what the selected events switched on and is still on, and nothing else.
    ///
    /// Leaves alone what the user has since switched off, or off and on again, and what `reconcile --repair` has restated.
    /// Without --execute it changes nothing. A second run changes nothing more. Exits with 3 if part of it must be repeated.
    #[command(after_help = "Example: persister revoke --ip-hash 0af7 --since 2026-11-22T12:00:00Z --bar --execute")]
    Revoke(RevokeOptions),
    /// List barred users, bar users, and lift bars.
    Bars {
        #[command(subcommand)]
        command: BarsCommand,
    },
    /// Erase users: everything that they have or had on, of every kind, and their last reads, from Redis, MySQL and the counts.
    ///
    /// The users are barred meanwhile: for some seconds, or longer if there are many articles. The report at the end says what
    /// remains, and until when. No delivery, replay or rebuild brings anything back. Run it again to finish an erasure that was
    /// interrupted.
    #[command(after_help = "Examples:
  persister erase --user 7
  persister erase --file users.txt --json     # many users in one pass, one id a line")]
    Erase(EraseOptions),
    /// Delete articles: what users have or had on for them, views and reads, from Redis, MySQL, lists and rankings.
    ///
    /// Nobody is barred meanwhile. What happens to an article afterwards counts from zero. No delivery, replay or rebuild
    /// restores anything from before the deletion. Run it again to finish a deletion that was interrupted.
    #[command(after_help = "Examples:
  persister delete-article --article 42 --article how-to-like
  persister delete-article --file articles.txt --json     # many articles in one pass, one id a line")]
    DeleteArticle(DeleteArticleOptions),
    /// Bring in the likes, dislikes, favourites and counters of another system, while the service runs.
    ///
    /// What users have done here is newer, and stays. A row that is here already changes nothing, so an import may be repeated.
    /// Sort rows by time, since an import that stops says how many rows are done. Exits with 3 if rows were rejected.
    #[command(after_help = "Examples:
  persister import likes.csv
  zcat likes.jsonl.gz | persister import - --rejected /tmp/rejected.jsonl
  persister import --table shop.old_likes --kind like")]
    Import(ImportOptions),
    /// Print everything held about a user, as JSON lines; or a table of the whole state, as CSV.
    ///
    /// For a user, it prints the MySQL rows, Redis keys and Kafka records. `import` reads the tables of interactions and counters.
    #[command(after_help = "Examples:
  persister export --user 'auth0|507f1f77bcf86cd799439011' > user.jsonl
  persister export --table interactions > interactions.csv
  persister export --table counters > counters.csv
  persister export --table bars > bars.csv
  persister export --table history > history.csv")]
    Export(ExportOptions),
    /// Run relay, consume, snapshot, warm and trends in one process.
    #[command(after_help = "Example: INTERACTION_LOG=json persister run --metrics-address 0.0.0.0:9464")]
    Run,
}

impl Command {
    /// Whether the command runs until it is stopped.
    pub(crate) const fn runs_on(&self) -> bool {
        matches!(self, Self::Relay | Self::Consume | Self::Snapshot | Self::Warm | Self::Trends | Self::Run)
    }
}

/// Runs the command line. Returns the exit code of the process.
pub(crate) async fn run() -> ExitCode {
    let cli = Cli::parse();
    config::log_to_stderr(cli.config.log);
    let stop = CancellationToken::new();
    // A job that is cut off has done its work so far; a command has failed.
    let cut_off = i32::from(!cli.command.runs_on());
    if let Err(error) = stop_on_signal(stop.clone(), cut_off) {
        error!("cannot listen for signals: {error}");
        return ExitCode::FAILURE;
    }
    match dispatch(cli, stop).await {
        Ok(code) => {
            info!("done");
            code
        }
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(cli: Cli, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let stores = Stores::new(&cli.config)?;
    if let Some(address) = cli.config.metrics_address.filter(|_| cli.command.runs_on()) {
        metrics::serve(address)?;
    }
    match cli.command {
        Command::Migrate(options) => migrate::run(&stores, &options, stop).await,
        Command::Relay => Box::pin(relay::run(stores, stop)).await,
        Command::Consume => consume::run(stores, cli.config.consume, stop).await,
        Command::Snapshot => {
            snapshot::run(stores, cli.config.snapshot, cli.config.consume.read_history_days, stop).await
        }
        Command::Warm => Box::pin(run::warm(stores, cli.config.metrics_address.is_some(), stop)).await,
        Command::Trends => trends::run(stores, stop).await,
        Command::Dlq { command } => dlq::run(&stores, command, &stop).await,
        Command::Status(options) => return status::run(&stores, &options, &stop).await,
        Command::Audit(options) => audit::run(&stores, &options, &stop).await,
        Command::Bars { command } => bars::run(&stores, command, &stop).await,
        Command::Revoke(options) => return revoke::run(&stores, &options, &stop).await,
        Command::Erase(options) => erase::run(&stores, &options, &stop).await,
        Command::Import(options) => return import::run(&stores, &options, &stop).await,
        Command::DeleteArticle(options) => delete_article::run(&stores, &options, &stop).await,
        Command::Export(options) => export::run(&stores, &options, &stop).await,
        Command::Reconcile(options) => return reconcile::run(&stores, &options, &stop).await,
        Command::Run => run::all(stores, &cli.config, stop).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    const ARGUMENTS: [&str; 19] = [
        "relay",
        "migrate",
        "audit",
        "revoke",
        "erase",
        "export",
        "import",
        "dlq",
        "list",
        "--article",
        "--since",
        "--kind",
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
            prop_assert!((1..=30).contains(&cli.config.snapshot.snapshot_seconds));
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
            "run --history-days 0",
            "run --log xml",
            "run --redis-durability disk",
            "migrate --topic-partitions 129",
            "migrate --topic-replication 0",
            "migrate --topic-retention-days 99999999999",
            "erase --user ",
            "erase",
            "erase --user 7 --file users.txt",
            "import",
            "import likes.csv --table likes",
            "import likes.csv --kind read",
            "delete-article",
            "delete-article --article 42 --file articles.txt",
            "audit --article a,b",
            "audit --user #7",
            "audit --since yesterday",
            "audit --kind read",
            "reconcile --kind nonsense",
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
