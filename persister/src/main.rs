//! The persister: moves what Redis acknowledged into Kafka and MySQL, and brings Redis back from MySQL.
//!
//! One subcommand a job, so that each can be deployed and scaled by itself; `run` is all of them in one process.
//!
//! From top to bottom, where each layer imports only what is below it (`dev/layers` checks that): `cli`, the command
//! line; `jobs`, which run until they are stopped, and `commands`, which people run; `ledger`, all SQL and all calls of
//! Redis; `store`, the clients of the three stores; `config`.

mod backoff;
mod cli;
mod commands;
mod config;
mod jobs;
mod ledger;
mod metrics;
mod output;
mod signals;
mod store;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(cli::run()).await
}
