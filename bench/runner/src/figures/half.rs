//! How long a like and a read take while the server has half as much to do as it can.

use anyhow::Result;

use super::{
    drive::{CLIENTS, Drive, Side},
    requests::{Requests, likes, reads},
};
use crate::{bench::Bench, ids, report::Figure, samples::Samples, world::World};

const CASES: [(&str, &str, Requests); 2] = [
    ("half/like", "a like", |tokens, articles| likes(tokens, |number| ids::article(0, number % articles))),
    ("half/read", "a read of one article by a signed-in user", |tokens, articles| reads(tokens, 1, articles)),
];

#[derive(Default)]
struct Rounds {
    full: Side,
    p50: Samples,
    p99: Samples,
    rate: Samples,
}

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (scale, world) = (&bench.scale, World::start().await?);
    world.stores_aside(&bench.cores)?;
    let app = world.app("app", "spin.toml", &bench.cores.server()).await?;
    let drive = Drive { bench, world: &world };
    drive.warm(&app).await?;
    let cases: Vec<_> = CASES.iter().filter(|(name, ..)| bench.wants(name)).collect();
    let mut rounds: Vec<Rounds> = cases.iter().map(|_| Rounds::default()).collect();
    let mut strangers = drive.strangers();
    let bar = bench.progress.bar(scale.rounds * cases.len());
    for _ in 0..scale.rounds {
        for ((_, _, requests), rounds) in cases.iter().zip(&mut rounds) {
            let mut lines = || requests(&strangers.tokens(scale.users), scale.articles);
            drive.send(&app, &lines(), CLIENTS, 1, None).await?;
            let full = drive.full(&app, &lines(), CLIENTS).await?;
            rounds.full.push(&full);
            let rate = full.outcome.half_per_second();
            let half = drive.send(&app, &lines(), CLIENTS, 2 * scale.seconds, Some(rate)).await?;
            rounds.p50.push(half.p50_ms);
            rounds.p99.push(half.p99_ms);
            rounds.rate.push(half.per_second());
            world.empty_outboxes().await?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let figures = cases.iter().zip(&rounds).flat_map(|((name, what, _), rounds)| {
        let conditions = format!(
            "{:.0} a second where {:.0} are most, {CLIENTS} keep-alive clients, {} articles with likes and views; {}; \
             Redis appendfsync always, persister stopped",
            rounds.rate.median().unwrap_or_default(),
            rounds.full.rate.median().unwrap_or_default(),
            scale.articles,
            bench.cores.apart(world.stack.app.kind(), "wrk, Redis and the other stores"),
        );
        let figure = |part: &str, half: &Samples, full: &Samples| {
            let what = format!("{part} of {what} at half of the server's capacity");
            Figure::new(format!("{name}/{part}"), what, "ms", half).against("full", half, full).conditions(&conditions)
        };
        [figure("p50", &rounds.p50, &rounds.full.p50), figure("p99", &rounds.p99, &rounds.full.p99)]
    });
    let figures = figures.collect();
    drop(app);
    world.stop().await?;
    Ok(figures)
}
