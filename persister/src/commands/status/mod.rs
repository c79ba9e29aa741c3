//! `persister status`: the state of the whole system.

mod rates;
mod show;
mod watch;

use std::{process::ExitCode, time::Duration};

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::status::ask,
    output::{json_line, line},
    store::Stores,
};

/// The exit code if anything is down.
const DOWN: u8 = 3;

#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Refresh every SECONDS seconds (default 2) until Ctrl-C, and show rates. A terminal is redrawn. Elsewhere, each screen
    /// follows the last. With --json, each is one object a line.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
}

/// Prints the status. The exit code says whether anything is down.
pub(crate) async fn run(
    stores: &Stores,
    options: &StatusOptions,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    if let Some(seconds) = options.watch {
        watch::run(stores, Duration::from_secs(seconds), options.json, stop).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let status = Box::pin(ask(stores)).await;
    if options.json { json_line(&status) } else { line(show::screen(&status, None)) }?;
    Ok(if status.down.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DOWN) })
}
