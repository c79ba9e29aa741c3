//! The options of `persister dlq`.

use clap::{Args, Subcommand};

use crate::commands::letter::Letter;

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List the records that could not be applied, oldest first: reason, origin, time, and how the record begins.
    #[command(after_help = "Example: persister dlq list --reason 'unknown event format' --json")]
    List(ListOptions),
    /// Send records to the event topic again, with their key and to their partition, so that they are applied.
    ///
    /// Takes only records that this release can read as events, and leaves the rest in the queue. MySQL remembers what was
    /// replayed (`dlq_replayed`), so nothing is replayed twice. A record that fails again returns to the queue as a new
    /// one. All partitions must be warm: a rebuild in progress might miss a replayed event.
    #[command(after_help = "Example: persister dlq replay --dry-run --from 100 --to 250")]
    Replay(ReplayOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    #[command(flatten)]
    pub(super) filter: Filter,
    /// Print one JSON object a line, with the whole payload.
    #[arg(long)]
    pub(super) json: bool,
    /// The most records to list.
    #[arg(long, default_value_t = 100)]
    pub(super) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    #[command(flatten)]
    pub(super) filter: Filter,
    /// Only print what would be replayed.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Selects records of the queue.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Only records from this offset of the queue on.
    #[arg(long)]
    from: Option<i64>,
    /// Only records up to and including this offset of the queue.
    #[arg(long)]
    to: Option<i64>,
    /// Only records whose reason contains this text.
    #[arg(long)]
    reason: Option<String>,
}

impl Filter {
    pub(super) fn admits(&self, letter: &Letter) -> bool {
        self.from.is_none_or(|from| letter.offset >= from)
            && self.to.is_none_or(|to| letter.offset <= to)
            && self.reason.as_ref().is_none_or(|part| letter.header("reason").contains(part.as_str()))
    }
}
