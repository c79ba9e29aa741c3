//! The options of `persister revoke`.

use clap::Args;

use crate::commands::selection::Selection;

#[derive(Debug, Args)]
pub(crate) struct RevokeOptions {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Do it. Without this option, `revoke` only prints what it would do.
    #[arg(long)]
    pub(super) execute: bool,
    /// Also bar the users of the selected events from switching anything on or off.
    #[arg(long)]
    pub(super) bar: bool,
    /// The reason of the bar, which `bars list` shows.
    #[arg(long, default_value = "revoke")]
    pub(super) reason: String,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(super) json: bool,
    /// How many seconds to wait for one store to catch up with the other. The pairs being revoked cannot change meanwhile.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(super) wait_seconds: u64,
}
