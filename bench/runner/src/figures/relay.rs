//! From the outboxes into Kafka.

use anyhow::Result;

use super::pace::{float, pace};
use crate::{
    bench::Bench,
    machine::cpu_seconds,
    report::{Figure, Goal},
    samples::Samples,
    world::World,
};

const PER_SECOND: f64 = 30_000.0;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (entries, articles) = (bench.scale.entries, bench.scale.articles);
    let world = World::start().await?;
    let (mut rate, mut cpu) = (Samples::default(), Samples::default());
    let bar = bench.progress.bar(bench.scale.rounds);
    for round in 0..bench.scale.rounds {
        world.fill_outboxes(entries, articles).await?;
        let relay = world.stack.persister.another(&format!("relay-{round}"), "relay")?;
        relay.start().await?;
        rate.push(pace(entries, async || Ok(entries - world.waiting().await?)).await?);
        cpu.push(cpu_seconds(&relay)? / float(entries) * 1e6);
        relay.terminate().await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    world.stop().await?;
    let conditions = format!(
        "{entries} entries in 128 outboxes, {articles} articles; one relay, acks=all; it, Redis and Kafka on all {} cores",
        bench.cores.count()
    );
    Ok(vec![
        Figure::new("relay/rate", "outbox entries into Kafka", "entries/s", &rate)
            .target(Goal::ValueAtLeast, PER_SECOND)
            .conditions(&conditions),
        Figure::new("relay/cpu", "processor time of the relay an entry", "µs", &cpu).conditions(conditions),
    ])
}
