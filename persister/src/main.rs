//! The persister: moves what Redis acknowledged into Kafka and MySQL, and brings Redis back from MySQL.
//!
//! Each job is a subcommand, so that it can be deployed and scaled separately; `run` is all of them in one process.
//!
//! The layers from top to bottom; each imports only from those below it, which `dev/layers` checks. `cli` is the
//! command line. `jobs` run until they are stopped, and `commands` are run by people. `ledger` has all SQL and all
//! calls to Redis. `store` has the clients of the three stores. `config` is at the bottom.

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
