//! The persister's memory when it comes back to a backlog.

use std::time::Duration;

use anyhow::Result;

use crate::{
    bench::Bench,
    machine::peak_mib,
    report::{Figure, Goal},
    samples::Samples,
    world::World,
};

const MIB: f64 = 100.0;
const PATIENCE: Duration = Duration::from_mins(5);

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (backlog, articles) = (bench.scale.backlog, bench.scale.articles);
    let world = World::start().await?;
    let persister = &world.stack.persister;
    let mut peak = Samples::default();
    // Each takes minutes, and they hardly differ.
    let rounds = bench.scale.rounds.min(3);
    let bar = bench.progress.bar(rounds);
    for _ in 0..rounds {
        world.fill_outboxes(backlog, articles).await?;
        persister.start().await?;
        world.applied(PATIENCE).await?;
        peak.push(peak_mib(persister)?);
        persister.terminate().await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    world.stop().await?;
    let figure =
        Figure::new("waiting", format!("memory of the persister with {backlog} entries waiting"), "MiB", &peak)
            .target(Goal::ValueAtMost, MIB)
            .conditions("persister run, VmHWM from its start until all were rows");
    Ok(vec![figure])
}
