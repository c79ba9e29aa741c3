//! What a like costs Redis on an article that has many, by Redis's own clock.

use anyhow::Result;

use crate::{
    alone::Alone,
    bench::Bench,
    ids,
    report::{Figure, Goal},
    samples::Samples,
    world::info,
};

const FEW: u64 = 1000;
const AT_MOST: f64 = 1.2;
/// Likes, and as many unlikes, that are timed.
const TIMED: u64 = 10_000;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let many = bench.scale.hot_likes;
    let mut alone = Alone::start().await?;
    let (grown, small) = (ids::article(1, 0), ids::article(2, 0));
    let bar = bench.progress.bar(usize::try_from(many)?);
    alone.send((0..FEW).map(|number| (ids::user(number), small.clone())), true, |_| {}).await?;
    alone.send((0..many).map(|number| (ids::user(number), grown.clone())), true, |some| bar.inc(some)).await?;
    bar.finish_and_clear();

    let (mut at_many, mut at_few) = (Samples::default(), Samples::default());
    for _ in 0..bench.scale.rounds {
        for (article, samples) in [(&grown, &mut at_many), (&small, &mut at_few)] {
            redis::cmd("CONFIG").arg("RESETSTAT").exec_async(&mut alone.connection).await?;
            // So few at a time that the small article stays small.
            for first in (0..TIMED).step_by(100) {
                for liked in [true, false] {
                    let users = (first..first + 100).map(|number| (ids::user(many + number), article.clone()));
                    alone.send(users, liked, |_| {}).await?;
                }
            }
            samples.push(info(&mut alone.connection, "commandstats", "cmdstat_evalsha").await?);
        }
    }
    let figure = Figure::new("growth", format!("a like of an article with {many} likes"), "µs", &at_many)
        .against("with 1,000", &at_many, &at_few)
        .target(Goal::RatioAtMost, AT_MOST)
        .conditions(format!("{TIMED} likes and as many unlikes by new users; time in the script by INFO commandstats"));
    Ok(vec![figure])
}
