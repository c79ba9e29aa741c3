//! Redis alone: likes of one article, so in one partition, as fast as redis-benchmark can send it.

use anyhow::Result;

use crate::{
    alone::Alone,
    bench::Bench,
    ids,
    load::redis_benchmark,
    machine::pin,
    report::{Figure, Goal},
    samples::Samples,
};

/// Likes a second of one article.
const PER_SECOND: f64 = 25_000.0;
/// Users to draw from: nearly every like is a new one.
const USERS: u64 = 100_000_000_000;
/// Stands for a user to draw; no other argument has these digits. As long as what it is replaced by, since lengths are part of
/// an argument.
const ANYBODY: &str = "8765432109876";
const DRAWN: &str = "1__rand_int__";
const SEED: &str = include_str!("../../../seed/like.lua");

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let mut alone = Alone::start().await?;
    pin(&alone.server, &bench.cores.server())?;
    let seed: String = redis::cmd("SCRIPT").arg("LOAD").arg(SEED).query_async(&mut alone.connection).await?;
    let cases = [
        ("32", 32, "always"),
        ("128", 128, "always"),
        ("32-everysec", 32, "everysec"),
        ("128-everysec", 128, "everysec"),
    ];
    let mut rounds = cases.map(|_| (Samples::default(), Samples::default()));
    let bar = bench.progress.bar(bench.scale.rounds * cases.len());
    for round in 0..bench.scale.rounds {
        for ((number, (_, clients, fsync)), (ours, theirs)) in (0..).zip(cases).zip(&mut rounds) {
            let article = ids::article(round as u64 * 10 + number, 0);
            redis::cmd("CONFIG").arg("SET").arg("appendfsync").arg(fsync).exec_async(&mut alone.connection).await?;
            // A digit before the random ones, so that it is a number and not a text that begins with zeros.
            let arguments = alone.like(ANYBODY.parse()?, article.clone(), true);
            let like: Vec<_> = arguments.into_iter().map(drawn).collect();
            let keys = [format!("article:like:{article}"), format!("user:like:{DRAWN}:{article}")];
            let seed = [&seed, "2", &keys[0], &keys[1], "1"].map(|argument| argument.as_bytes().to_vec());
            let (port, count, cores) = (alone.server.port(), bench.scale.commands, bench.cores.rest());
            ours.push(redis_benchmark(port, clients, count, USERS, &cores, &like).await?);
            theirs.push(redis_benchmark(port, clients, count, USERS, &cores, &seed).await?);
            bar.inc(1);
        }
        redis::cmd("FLUSHALL").arg("SYNC").exec_async(&mut alone.connection).await?;
        alone.warm().await?;
    }
    bar.finish_and_clear();
    let figure = |((name, clients, fsync), (ours, theirs)): ((&str, usize, &str), &(Samples, Samples))| {
        let what = "likes of one article by the script alone";
        let figure = Figure::new(format!("script/{name}"), what, "likes/s", ours).against("Go design", ours, theirs);
        let figure = if fsync == "always" { figure.target(Goal::ValueAtLeast, PER_SECOND) } else { figure };
        figure.conditions(format!(
            "redis-benchmark, {clients} clients, {} likes by new users, appendfsync {fsync}; {}",
            bench.scale.commands,
            bench.cores.apart("Redis", "redis-benchmark"),
        ))
    };
    Ok(cases.into_iter().zip(&rounds).map(figure).collect())
}

/// The argument with any user in the place of [`ANYBODY`].
fn drawn(mut argument: Vec<u8>) -> Vec<u8> {
    let length = ANYBODY.len();
    while let Some(at) = argument.windows(length).position(|part| part == ANYBODY.as_bytes()) {
        argument[at..at + length].copy_from_slice(DRAWN.as_bytes());
    }
    argument
}
