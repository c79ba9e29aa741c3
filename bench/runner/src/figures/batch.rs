//! A query of a hundred articles beside one of a single article.

use anyhow::Result;

use crate::{
    bench::Bench,
    ids,
    load::Wrk,
    report::{Figure, Goal},
    samples::Samples,
    world::{World, write},
};

const ARTICLES: u64 = 100;
const AT_MOST: f64 = 4.0;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let world = World::start().await?;
    world.stores_aside(&bench.cores)?;
    let app = world.app("app", "spin.toml", &bench.cores.server()).await?;
    // Every article has a like, every user liked one.
    let tokens: Vec<String> = (0..ARTICLES).map(ids::token).collect();
    let api = tests::Api::new(app.url());
    for number in 0..ARTICLES {
        let path = format!("/v1/articles/{}/like", ids::article(0, number));
        api.put(&path).user(&ids::user(number)).good().await?;
    }
    let all: Vec<String> = (0..ARTICLES).map(|number| ids::article(0, number).to_string()).collect();
    let hundred = all.join(",");
    let lines = |articles: &dyn Fn(usize) -> String| {
        let line = |(number, token)| format!("GET /v1/interactions?article_ids={} {token}\n", articles(number));
        tokens.iter().enumerate().map(line).collect::<String>()
    };
    let one = write(&world, "one", &lines(&|number| all[number].clone()))?;
    let many = write(&world, "many", &lines(&|_| hundred.clone()))?;

    let (mut of_one, mut of_many) = (Samples::default(), Samples::default());
    let (url, cores) = (app.url(), bench.cores.rest());
    let bar = bench.progress.bar(bench.scale.rounds);
    for _ in 0..bench.scale.rounds {
        for (requests, samples) in [(&one, &mut of_one), (&many, &mut of_many)] {
            let wrk = Wrk { url: &url, requests, clients: 1, seconds: bench.scale.seconds, rate: None, cores: &cores };
            samples.push(wrk.run().await?.answered(0)?.p50_ms);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let figure = Figure::new("batch", "a query of 100 articles by a signed-in user", "ms", &of_many)
        .against("of one", &of_many, &of_one)
        .target(Goal::RatioAtMost, AT_MOST)
        .conditions(format!(
            "p50 of one client at a time; {}",
            bench.cores.apart(world.stack.app.kind(), "wrk and the stores")
        ));
    drop(app);
    world.stop().await?;
    Ok(vec![figure])
}
