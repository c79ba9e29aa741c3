//! From Kafka into MySQL, beside the Go design's consumer.

use std::{ops::Range, time::Duration};

use anyhow::Result;
use stack::wait_for;

use super::{pace::pace, seed_consumer::SeedConsumer};
use crate::{
    bench::Bench,
    kafka::{self, Pairs},
    report::{Figure, Goal},
    samples::Samples,
    world::World,
};

const PER_SECOND: f64 = 50_000.0;
const OF_SEED: f64 = 30.0;
/// A member that died is removed from the group after ten seconds.
const GROUP_EMPTY: Duration = Duration::from_secs(30);

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    if !bench.wants("consume/rate") && !bench.wants("consume/seed") {
        return Ok(vec![]);
    }
    let (events, seed_events) = (bench.scale.events, bench.scale.seed_events);
    let pairs = Pairs { articles: bench.scale.articles, users: None };
    let world = World::start().await?;
    let seed = SeedConsumer::prepare(&world).await;
    if let Ok(seed) = &seed {
        seed.fill(&world, 0..seed_events, pairs).await?;
    }
    fill(&world, 0..events, pairs).await?;

    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    let bar = bench.progress.bar(bench.scale.rounds);
    for round in 0..bench.scale.rounds {
        ours.push(consume(&world, &format!("consume-{round}"), events).await?);
        if let Ok(seed) = &seed {
            sqlx::query("TRUNCATE TABLE seed_like").execute(&world.mysql).await?;
            // A group that has read nothing yet.
            theirs.push(seed.apply(&world, &format!("seed-{round}"), seed_events).await?);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    world.stop().await?;
    let conditions = format!(
        "{events} likes of as many pairs in 16 Kafka partitions into empty tables, one consumer; \
         innodb_flush_log_at_trx_commit=1; the Go design's: {seed_events}; all on all {} cores",
        bench.cores.count()
    );
    let what = "events from Kafka into MySQL";
    let beside = "events from Kafka into MySQL, beside one row an event";
    let figure = |name: &str, what: &str| Figure::new(name, what, "events/s", &ours).conditions(&conditions);
    Ok(vec![
        figure("consume/rate", what).target(Goal::ValueAtLeast, PER_SECOND),
        match seed {
            Ok(_) => figure("consume/seed", beside).against("Go", &ours, &theirs).target(Goal::RatioAtLeast, OF_SEED),
            Err(error) => Figure::missing("consume/seed", beside, &format!("{error:#}")),
        },
    ])
}

/// More likes in the topic, which nobody reads meanwhile.
pub(super) async fn fill(world: &World, numbers: Range<u64>, pairs: Pairs) -> Result<()> {
    let brokers = world.stack.kafka_brokers();
    tokio::task::spawn_blocking(move || kafka::publish_events(&brokers, numbers, pairs)).await?
}

/// Empties the tables and has one consumer apply the topic from its beginning.
pub(super) async fn consume(world: &World, name: &str, events: u64) -> Result<f64> {
    for table in ["interaction", "interaction_count", "article_stats"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("TRUNCATE TABLE {table}"))).execute(&world.mysql).await?;
    }
    let topic = world.topic()?;
    // Kafka refuses this while a member of the group is leaving.
    wait_for("the group to be set back", GROUP_EMPTY, async || Ok(topic.rewind().ok())).await?;
    apply(world, name, events).await
}

/// Has one consumer apply what the group has not read of the topic: so many events.
pub(super) async fn apply(world: &World, name: &str, events: u64) -> Result<f64> {
    let topic = world.topic()?;
    let consumer = world.stack.persister.another(name, "consume")?;
    consumer.start().await?;
    let rate = pace(events, async || Ok(events - u64::try_from(topic.lag()?)?)).await?;
    consumer.terminate().await?;
    Ok(rate)
}
