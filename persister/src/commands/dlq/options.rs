//! The options of `persister dlq`.

use clap::{Args, Subcommand};

use crate::commands::letter::Letter;

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
    pub(super) filter: Filter,
    /// One JSON object a line, with the whole payload.
    #[arg(long)]
    pub(super) json: bool,
    /// How many to show at most.
    #[arg(long, default_value_t = 100)]
    pub(super) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    #[command(flatten)]
    pub(super) filter: Filter,
    /// Only say what would be put back.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Which records of the queue.
#[derive(Debug, Args)]
pub(super) struct Filter {
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
    pub(super) fn admits(&self, letter: &Letter) -> bool {
        self.from.is_none_or(|from| letter.offset >= from)
            && self.to.is_none_or(|to| letter.offset <= to)
            && self.reason.as_ref().is_none_or(|part| letter.header("reason").contains(part.as_str()))
    }
}
