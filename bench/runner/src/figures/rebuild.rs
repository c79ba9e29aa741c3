//! How fast an empty Redis is rebuilt from MySQL.

use std::time::Instant;

use anyhow::Result;

use super::{consume, pace::float};
use crate::{
    bench::Bench,
    kafka::Pairs,
    report::{Figure, Goal},
    samples::Samples,
    world::World,
};

const PER_SECOND: f64 = 100_000.0;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (likes, articles) = (bench.scale.rebuilt, bench.scale.articles);
    let world = World::start().await?;
    consume::fill(&world, 0..likes, Pairs { articles, users: None }).await?;
    consume::consume(&world, "consume", likes).await?;

    let mut rate = Samples::default();
    let bar = bench.progress.bar(bench.scale.rounds);
    for round in 0..bench.scale.rounds {
        redis::cmd("FLUSHALL").arg("SYNC").exec_async(&mut world.redis.clone()).await?;
        let warm = world.stack.persister.another(&format!("warm-{round}"), "warm")?;
        let began = Instant::now();
        warm.start().await?;
        world.warm().await?;
        rate.push(float(likes) / began.elapsed().as_secs_f64());
        warm.terminate().await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    world.stop().await?;
    let figure = Figure::new("rebuild", "likes written from MySQL into an empty Redis", "likes/s", &rate)
        .target(Goal::ValueAtLeast, PER_SECOND)
        .conditions(format!(
            "{likes} likes of {articles} articles, from the start of persister warm until all partitions are warm; \
             all on all {} cores",
            bench.cores.count()
        ));
    Ok(vec![figure])
}
