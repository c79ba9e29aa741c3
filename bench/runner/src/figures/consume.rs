//! From Kafka into MySQL, beside the Go design's consumer.

use anyhow::{Context, Result};
use stack::{Service, dev};

use super::pace::pace;
use crate::{
    bench::Bench,
    kafka,
    report::{Figure, Goal},
    samples::Samples,
    world::{SEED_TOPIC, World, seed_program},
};

const PER_SECOND: f64 = 50_000.0;
const OF_SEED: f64 = 30.0;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (events, seed_events) = (bench.scale.events, bench.scale.seed_events);
    let world = World::start().await?;
    let seed = Seed::prepare(&world, seed_events, bench.scale.articles).await;
    fill(&world, events, bench.scale.articles).await?;

    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    let bar = bench.progress.bar(bench.scale.rounds);
    for round in 0..bench.scale.rounds {
        ours.push(consume(&world, &format!("consume-{round}"), events).await?);
        if let Ok(seed) = &seed {
            theirs.push(seed.consume(&world, round).await?);
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

/// So many events in the topic, which nobody reads meanwhile.
pub(super) async fn fill(world: &World, events: u64, articles: u64) -> Result<()> {
    let brokers = world.stack.kafka_brokers();
    tokio::task::spawn_blocking(move || kafka::publish_events(&brokers, events, articles)).await?
}

/// Empties the tables and has one consumer apply the topic from its beginning.
pub(super) async fn consume(world: &World, name: &str, events: u64) -> Result<f64> {
    for table in ["interaction", "interaction_count", "article_stats"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("TRUNCATE TABLE {table}"))).execute(&world.mysql).await?;
    }
    let topic = world.topic()?;
    topic.rewind()?;
    let consumer = world.stack.persister.another(name, "consume")?;
    consumer.start().await?;
    let rate = pace(events, async || Ok(events - u64::try_from(topic.lag()?)?)).await?;
    consumer.terminate().await?;
    Ok(rate)
}

/// The Go design's consumer, with its topic full.
struct Seed {
    events: u64,
    program: std::path::PathBuf,
}

impl Seed {
    async fn prepare(world: &World, events: u64, articles: u64) -> Result<Self> {
        let program = seed_program()?;
        let brokers = world.stack.kafka_brokers();
        kafka::create_topic(&brokers, SEED_TOPIC).await?;
        tokio::task::spawn_blocking(move || kafka::publish_seed(&brokers, SEED_TOPIC, events, articles)).await??;
        // As the Go design has it: no version, no time.
        sqlx::query(
            "CREATE TABLE seed_like (user_id BIGINT, article_id BIGINT, status TINYINT, PRIMARY KEY (user_id, article_id))",
        )
        .execute(&world.mysql)
        .await
        .context("the Go design's table")?;
        Ok(Self { events, program })
    }

    async fn consume(&self, world: &World, round: usize) -> Result<f64> {
        sqlx::query("TRUNCATE TABLE seed_like").execute(&world.mysql).await?;
        let password = dev("PERSISTER_PASSWORD");
        let log = world.stack.data().join(format!("seed-{round}.log"));
        let ready = || futures::FutureExt::boxed(async { anyhow::Ok(()) });
        let consumer = Service::new("seed", &self.program, log, ready).args(["consume"]).envs([
            ("SEED_KAFKA_BROKERS", world.stack.kafka_brokers()),
            ("SEED_TOPIC", SEED_TOPIC.to_owned()),
            // One that has read nothing yet.
            ("SEED_GROUP", format!("seed-{round}")),
            (
                "SEED_MYSQL_DSN",
                format!("persister:{password}@tcp(127.0.0.1:{})/interaction", world.stack.mariadb.port()),
            ),
        ]);
        consumer.start().await?;
        let rate = pace(self.events, async || {
            let (rows,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM seed_like").fetch_one(&world.mysql).await?;
            Ok(u64::try_from(rows)?)
        });
        let rate = rate.await.with_context(|| consumer.log_tail(10))?;
        consumer.kill().await?;
        Ok(rate)
    }
}
