//! The persister: moves what Redis acknowledged into Kafka and MySQL, and brings Redis back from MySQL.
//!
//! One subcommand a job, so that each can be deployed and scaled by itself; `run` is all of them in one process.

mod articles;
mod audit;
mod backoff;
mod bars;
mod config;
mod consume;
mod dlq;
mod erase;
mod metrics;
mod migrate;
mod output;
mod reconcile;
mod relay;
mod revoke;
mod run;
mod secret;
mod selection;
mod settle;
mod snapshot;
mod status;
mod store;
mod trends;
mod warm;

use std::process::ExitCode;

use clap::Parser as _;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::{Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    config::log_to_stderr(cli.config.log);
    let stop = CancellationToken::new();
    // A job that is cut off has done what it is for; a command has not.
    let cut_off = i32::from(!cli.command.runs_on());
    if let Err(error) = run::stop_on_signal(stop.clone(), cut_off) {
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
    let stores = store::Stores::new(&cli.config)?;
    if let Some(address) = cli.config.metrics_address.filter(|_| cli.command.runs_on()) {
        metrics::serve(address)?;
    }
    match cli.command {
        Command::Migrate(options) => migrate::run(&stores, &options, stop).await,
        Command::Relay => Box::pin(relay::run(stores, stop)).await,
        Command::Consume => consume::run(stores, cli.config.consume, stop).await,
        Command::Snapshot => snapshot::run(stores, cli.config.snapshot_seconds, stop).await,
        Command::Warm => run::warm(stores, cli.config.metrics_address.is_some(), stop).await,
        Command::Trends => trends::run(stores, stop).await,
        Command::Dlq { command } => dlq::run(&stores, command, &stop).await,
        Command::Status(options) => return status::run(&stores, &options, &stop).await,
        Command::Audit(options) => audit::run(&stores, &options, &stop).await,
        Command::Bars { command } => bars::run(&stores, command).await,
        Command::Revoke(options) => return revoke::run(&stores, &options, &stop).await,
        Command::Erase(options) => erase::run(&stores, &options, &stop).await,
        Command::Reconcile(options) => return reconcile::run(&stores, &options, &stop).await,
        Command::Run => run::all(stores, &cli.config, stop).await,
    }?;
    Ok(ExitCode::SUCCESS)
}
