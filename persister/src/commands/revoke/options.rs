//! The options of `persister revoke`.

use clap::Args;

use crate::commands::selection::Selection;

#[derive(Debug, Args)]
pub(crate) struct RevokeOptions {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Do it. Without this it is only said what would be done.
    #[arg(long)]
    pub(super) execute: bool,
    /// Bar the users of the selected events too: they may switch nothing on or off.
    #[arg(long)]
    pub(super) bar: bool,
    /// Why they are barred, for whoever looks into it later.
    #[arg(long, default_value = "revoke")]
    pub(super) reason: String,
    /// One JSON object a line.
    #[arg(long)]
    pub(super) json: bool,
    /// How long to wait for a store to catch up with the other, in seconds. Meanwhile what is in hand cannot be changed.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(super) wait_seconds: u64,
}
