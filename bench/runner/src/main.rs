//! Measures the service beside its baselines on one machine; see `bench/README.md`.

mod alone;
mod bench;
mod figures;
mod ids;
mod kafka;
mod load;
mod machine;
mod mysql;
mod plots;
mod progress;
mod report;
mod samples;
mod scale;
mod server;
mod world;

use std::{fs, process::ExitCode};

use anyhow::{Result, ensure};
use clap::Parser;

use crate::{
    bench::Bench,
    figures::EXPERIMENTS,
    machine::Cores,
    progress::Progress,
    report::{Figure, Report},
    scale::Scale,
};

/// Measures the service beside its baselines.
#[derive(Parser)]
struct Arguments {
    /// Only the figures whose names begin with one of these, with commas between them: `like/hot-32,read`…
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Small sizes and two rounds, to see that the bench works; its figures say little.
    #[arg(long)]
    smoke: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let scale = if arguments.smoke { Scale::smoke() } else { Scale::full() };
    let bench = Bench { scale, cores: Cores::of_machine()?, progress: Progress::new(), only: arguments.only };
    let wanted: Vec<_> = EXPERIMENTS.iter().filter(|(name, _)| bench.wants(name)).collect();
    ensure!(!wanted.is_empty(), "no figure is called {}; there are {}", bench.only.join(" or "), figures::names());

    let mut report = Report {
        at: jiff::Timestamp::now().to_string(),
        cores: bench.cores.count(),
        smoke: arguments.smoke,
        figures: vec![],
    };
    let folder = stack::root().join("target/bench");
    fs::create_dir_all(&folder)?;
    let mut failed = vec![];
    for (name, measure) in wanted {
        bench.progress.say(format_args!("{name}"));
        // An hour's figures are not lost with one of them.
        report.figures.extend(measure(&bench).await.unwrap_or_else(|error| {
            let why = format!("{error:#}");
            bench.progress.say(format_args!("{name} failed: {why}"));
            failed.push(*name);
            vec![Figure::missing(*name, "an experiment that failed", &why)]
        }));
        report.write(&folder.join("report.json"))?;
        plots::draw(&report, &folder)?;
    }
    println!("{}", report.table());
    println!("{}", report.notes());
    println!("report.json and plots are in {}", folder.display());
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}
