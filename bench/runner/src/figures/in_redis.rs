//! What Redis itself takes for a call of each script, driven by the service.

use anyhow::Result;

use super::{
    drive::{CLIENTS, Drive},
    requests::{Requests, likes, reads, views},
};
use crate::{
    bench::Bench,
    ids,
    machine::pin,
    report::{Figure, Goal},
    samples::Samples,
    world::{World, info},
};

/// A name, a call in words, the requests that make it, and the most microseconds that it should take.
const CASES: [(&str, &str, Requests, Option<f64>); 4] = [
    ("redis/like", "a like", |tokens, articles| likes(tokens, |number| ids::article(0, number % articles)), Some(18.0)),
    ("redis/view", "a view", views, None),
    (
        "redis/read-one",
        "a read of one article by a signed-in user",
        |tokens, articles| reads(tokens, 1, articles),
        None,
    ),
    (
        "redis/read-100",
        "a read of 100 articles by a signed-in user",
        |tokens, articles| reads(tokens, 100, articles),
        Some(350.0),
    ),
];

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (scale, world) = (&bench.scale, World::start().await?);
    world.stores_aside(&bench.cores)?;
    // The core of its own is Redis's: what takes its processor away would count as its time.
    pin(&world.stack.redis, &bench.cores.server())?;
    let app = world.app("app", "spin.toml", &bench.cores.rest()).await?;
    let drive = Drive { bench, world: &world };
    drive.warm(&app).await?;
    let cases: Vec<_> = CASES.iter().filter(|(name, ..)| bench.wants(name)).collect();
    let mut rounds: Vec<Samples> = cases.iter().map(|_| Samples::default()).collect();
    let mut strangers = drive.strangers();
    let bar = bench.progress.bar(scale.rounds * cases.len());
    let mut redis = world.redis.clone();
    for _ in 0..scale.rounds {
        for ((_, _, requests, _), samples) in cases.iter().zip(&mut rounds) {
            let mut lines = || requests(&strangers.tokens(scale.users), scale.articles);
            drive.send(&app, &lines(), CLIENTS, 1, None).await?;
            redis::cmd("CONFIG").arg("RESETSTAT").exec_async(&mut redis).await?;
            drive.send(&app, &lines(), CLIENTS, scale.seconds, None).await?;
            samples.push(info(&mut redis, "commandstats", "cmdstat_evalsha").await?);
            world.empty_outboxes().await?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let figures = cases.iter().zip(&rounds).map(|((name, what, _, most), samples)| {
        let figure = Figure::new(*name, format!("time of {what} in Redis, one call of a script"), "µs", samples);
        let figure = if let Some(most) = most { figure.target(Goal::ValueAtMost, *most) } else { figure };
        figure.conditions(format!(
            "usec_per_call of evalsha by INFO commandstats, commands inside included; {} articles with likes and views, \
             {CLIENTS} keep-alive clients; {}",
            scale.articles,
            bench.cores.apart("Redis", "the service, wrk and the other stores"),
        ))
    });
    let figures = figures.collect();
    drop(app);
    world.stop().await?;
    Ok(figures)
}
