//! The dead-letter queue: what is in it, and putting back what can be applied after all.

mod letter;
mod list;
mod replay;

use std::collections::HashSet;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use sqlx::{MySqlPool, query_as};
use tokio_util::sync::CancellationToken;

use self::letter::Letter;
use crate::store::Stores;

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// Show what could not be applied, oldest first: why, where it came from, when, how it begins.
    #[command(after_help = "Example: persister dlq list --reason 'unknown event format' --json")]
    List(ListOptions),
    /// Put records back on the event topic, to their right key and partition, so that they are applied.
    ///
    /// Takes only what this release can read as an event; the rest stays where it is. What was put back is recorded in
    /// MySQL (`dlq_replayed`), and not put back a second time. A record that fails again comes back to the queue as a
    /// new one. Needs all partitions warm: a rebuild that is under way might miss what comes back.
    #[command(after_help = "Example: persister dlq replay --dry-run --from 100 --to 250")]
    Replay(ReplayOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    #[command(flatten)]
    filter: Filter,
    /// One JSON object a line, with the whole payload.
    #[arg(long)]
    json: bool,
    /// How many to show at most.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    #[command(flatten)]
    filter: Filter,
    /// Only say what would be put back.
    #[arg(long)]
    dry_run: bool,
}

/// Which records of the queue.
#[derive(Debug, Args)]
struct Filter {
    /// Only those from this offset of the queue on.
    #[arg(long)]
    from: Option<i64>,
    /// Only those up to this offset of the queue, itself included.
    #[arg(long)]
    to: Option<i64>,
    /// Only those whose reason contains this text.
    #[arg(long)]
    reason: Option<String>,
}

impl Filter {
    fn admits(&self, letter: &Letter) -> bool {
        self.from.is_none_or(|from| letter.offset >= from)
            && self.to.is_none_or(|to| letter.offset <= to)
            && self.reason.as_ref().is_none_or(|part| letter.header("reason").contains(part.as_str()))
    }
}

pub(crate) async fn run(stores: &Stores, command: DlqCommand, stop: &CancellationToken) -> anyhow::Result<()> {
    match command {
        DlqCommand::List(options) => list::run(stores, &options, stop).await,
        DlqCommand::Replay(options) => replay::run(stores, &options, stop).await,
    }
}

/// Partition and offset of each record that was put back.
type Replayed = HashSet<(i32, i64)>;

async fn replayed(mysql: &MySqlPool, topic: &str) -> anyhow::Result<Replayed> {
    let rows: Vec<(i32, i64)> = query_as("SELECT p, record FROM dlq_replayed WHERE topic = ?")
        .bind(topic)
        .fetch_all(mysql)
        .await
        .context("MySQL")?;
    Ok(rows.into_iter().collect())
}
