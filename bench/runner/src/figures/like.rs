//! A like through HTTP, beside hello, a connection per request, and the Go design's service.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::{Context, Result, ensure};

use super::pace::float;
use crate::{
    bench::Bench,
    ids,
    load::{Outcome, Wrk},
    machine::{cpu_seconds, pin},
    report::{Figure, Goal},
    samples::Samples,
    server::Server,
    world::{World, write},
};

/// Throughput ÷ that of the hello component, on our host; on Spin itself, whose own cost a request is higher.
const OF_HELLO: f64 = 0.55;
const OF_HELLO_ON_SPIN: f64 = 0.75;
/// ÷ that with a connection per request.
const OF_REOPENING: f64 = 2.5;
/// p99 ÷ p50.
const TAIL: f64 = 4.0;

struct Case {
    name: &'static str,
    clients: usize,
    hot: bool,
}

const CASES: [Case; 4] = [
    Case { name: "hot-32", clients: 32, hot: true },
    Case { name: "hot-128", clients: 128, hot: true },
    Case { name: "spread-32", clients: 32, hot: false },
    Case { name: "spread-128", clients: 128, hot: false },
];

/// What ids the requests have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ids {
    Numbers,
    Names,
}

struct Servers {
    hello: Server,
    like: Server,
    reopening: Server,
    /// Or why there is none.
    seed: Result<Server>,
}

/// One load generator's run.
struct Run {
    outcome: Outcome,
    cpu_us: f64,
    /// Share of the requests that changed something, in percent.
    changed: f64,
}

/// The rounds of one case, by what was measured.
#[derive(Default)]
struct Rounds {
    hello: Samples,
    like: Samples,
    named: Samples,
    reopening: Samples,
    seed: Samples,
    everysec: Samples,
    relaying: Samples,
    changed: Samples,
    like_cpu: Samples,
    seed_cpu: Samples,
    p50: Samples,
    p99: Samples,
}

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let cases: Vec<&Case> = CASES.iter().filter(|case| bench.wants(&format!("like/{}", case.name))).collect();
    let world = World::start().await?;
    world.stores_aside(&bench.cores)?;
    let core = bench.cores.server();
    let servers = Servers {
        hello: world.app("hello", "bench/hello/spin.toml", &core).await?,
        like: world.app("like", "spin.toml", &core).await?,
        reopening: world.app("reopening", "bench/reopening/spin.toml", &core).await?,
        seed: world.seed(&core).await,
    };
    let tokens: Vec<String> = (0..bench.scale.users).map(ids::token).collect();
    let named_tokens = (0..bench.scale.users).map(ids::named_token).collect();
    let mut load = Load { bench, world: &world, tokens, named_tokens, runs: 0 };

    let mut rounds: Vec<Rounds> = cases.iter().map(|_| Rounds::default()).collect();
    let bar = bench.progress.bar(bench.scale.rounds * cases.len());
    for _ in 0..bench.scale.rounds {
        for (case, rounds) in cases.iter().zip(&mut rounds) {
            bar.set_message(case.name);
            round(&mut load, &servers, case, rounds).await?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let figures = cases.iter().zip(&rounds).flat_map(|(case, rounds)| figures(&load, &servers, case, rounds)).collect();
    drop(servers);
    world.stop().await?;
    Ok(figures)
}

async fn round(load: &mut Load<'_>, servers: &Servers, case: &Case, rounds: &mut Rounds) -> Result<()> {
    rounds.hello.push(load.run(&servers.hello, case).await?.outcome.per_second());

    let like = load.run(&servers.like, case).await?;
    rounds.like.push(like.outcome.per_second());
    rounds.changed.push(like.changed);
    rounds.like_cpu.push(like.cpu_us);
    rounds.p50.push(like.outcome.p50_ms);
    rounds.p99.push(like.outcome.p99_ms);

    rounds.named.push(load.run_with(Ids::Names, &servers.like, case).await?.outcome.per_second());

    rounds.reopening.push(load.run(&servers.reopening, case).await?.outcome.per_second());
    if let Ok(seed) = &servers.seed {
        let run = load.run(seed, case).await?;
        rounds.seed.push(run.outcome.per_second());
        rounds.seed_cpu.push(run.cpu_us);
    }

    load.world.fsync("everysec").await?;
    rounds.everysec.push(load.run(&servers.like, case).await?.outcome.per_second());
    load.world.fsync("always").await?;

    if case.hot {
        let persister = &load.world.stack.persister;
        persister.start().await?;
        pin(persister, &load.bench.cores.rest())?;
        rounds.relaying.push(load.run(&servers.like, case).await?.outcome.per_second());
        persister.terminate().await?;
        load.world.empty_outboxes().await?;
    }
    Ok(())
}

/// Sends likes; each run to articles of its own, so that it begins with nobody liking them.
struct Load<'a> {
    bench: &'a Bench,
    world: &'a World,
    tokens: Vec<String>,
    named_tokens: Vec<String>,
    runs: u64,
}

impl Load<'_> {
    async fn run(&mut self, server: &Server, case: &Case) -> Result<Run> {
        self.run_with(Ids::Numbers, server, case).await
    }

    async fn run_with(&mut self, ids: Ids, server: &Server, case: &Case) -> Result<Run> {
        // Instances and connections are there when it counts.
        self.wrk(ids, server, case, 1).await?;
        let (before, cpu) = (self.world.changes().await?, cpu_seconds(server)?);
        let outcome = self.wrk(ids, server, case, self.bench.scale.seconds).await?;
        let cpu_us = (cpu_seconds(server)? - cpu) / outcome.requests() * 1e6;
        // Those that were on their way at the end changed something too, and wrk does not count them.
        let changed = float(self.world.changes().await? - before) / outcome.requests() * 100.0;
        ensure!(changed < 105.0, "{changed:.0} % as many changes as likes: some counted twice");
        let changed = changed.min(100.0);
        self.world.empty_outboxes().await?;
        Ok(Run { outcome, cpu_us, changed })
    }

    async fn wrk(&mut self, ids: Ids, server: &Server, case: &Case, seconds: u64) -> Result<Outcome> {
        let (requests, url, cores) = (self.requests(ids, case)?, server.url(), self.bench.cores.rest());
        let wrk = Wrk { url: &url, requests: &requests, clients: case.clients, seconds, rate: None, cores: &cores };
        let outcome = wrk.run().await?;
        outcome.answered(server.lost_per_mille()).with_context(|| server.log_tail(10))
    }

    /// Everyone likes once, then everyone takes it back: sent over and over, each changes something.
    fn requests(&mut self, ids: Ids, case: &Case) -> Result<PathBuf> {
        self.runs += 1;
        let articles = if case.hot { 1 } else { self.bench.scale.articles };
        let mut lines = String::new();
        for method in ["PUT", "DELETE"] {
            let tokens = if ids == Ids::Names { &self.named_tokens } else { &self.tokens };
            for (number, token) in (0..).zip(tokens) {
                let article = match ids {
                    Ids::Numbers => ids::article(self.runs, number % articles).to_string(),
                    Ids::Names => ids::named_article(self.runs, number % articles),
                };
                writeln!(lines, "{method} /v1/articles/{article}/like {token}")?;
            }
        }
        write(self.world, "requests", &lines)
    }
}

fn figures(load: &Load, servers: &Servers, case: &Case, rounds: &Rounds) -> Vec<Figure> {
    let name = |part: &str| format!("like/{}{part}", case.name);
    let kind = load.world.stack.app.kind();
    let articles = if case.hot { "one article".to_owned() } else { format!("{} articles", load.bench.scale.articles) };
    let conditions = format!(
        "{} keep-alive clients, {articles}, {} users; {}; Redis appendfsync always, persister stopped; \
         {:.1} % of the likes changed something",
        case.clients,
        load.bench.scale.users,
        load.bench.cores.apart(kind, "wrk, Redis and the other stores"),
        rounds.changed.median().unwrap_or_default(),
    );
    let of_hello = if kind == "host" { OF_HELLO } else { OF_HELLO_ON_SPIN };
    let like = |part: &str, what: &str, samples: &Samples| Figure::new(name(part), what, "likes/s", samples);
    let mut figures = vec![
        like("", "likes through the component", &rounds.like)
            .against("hello", &rounds.like, &rounds.hello)
            .target(Goal::RatioAtLeast, of_hello)
            .conditions(&conditions),
        like("/reopening", "likes through the component, beside one that opens a connection a request", &rounds.like)
            .against("reopening", &rounds.like, &rounds.reopening)
            .target(Goal::RatioAtLeast, OF_REOPENING)
            .conditions(&conditions),
        like("/names", "likes of articles and by users whose ids are names", &rounds.named)
            .against("numbers", &rounds.named, &rounds.like)
            .conditions(&conditions),
        like("/everysec", "the same with appendfsync everysec", &rounds.everysec)
            .against("hello", &rounds.everysec, &rounds.hello)
            .conditions(conditions.replace("always", "everysec")),
        Figure::new(name("/tail"), "p99 of a like, beside its p50", "ms", &rounds.p99)
            .against("p50", &rounds.p99, &rounds.p50)
            .conditions(&conditions),
    ];
    if case.name == "hot-32" {
        let tail = figures.pop().expect("it is the last");
        figures.push(tail.target(Goal::RatioAtMost, TAIL));
    }
    if case.hot {
        let figure = like("/relaying", "the same while the persister relays and consumes", &rounds.relaying);
        let figure = figure.against("hello", &rounds.relaying, &rounds.hello);
        figures.push(figure.conditions(conditions.replace("persister stopped", "persister running beside them")));
    }
    let (seed, cpu) =
        ("likes through the component, beside the Go design's service", "processor time a like in the server");
    match &servers.seed {
        Ok(_) => figures.extend([
            like("/seed", seed, &rounds.like).against("Gin", &rounds.like, &rounds.seed).conditions(&conditions),
            Figure::new(name("/cpu"), cpu, "µs", &rounds.like_cpu)
                .against("Gin", &rounds.like_cpu, &rounds.seed_cpu)
                .conditions(format!("{conditions}; Gin's includes its sending to Kafka, ours leaves it to the relay")),
        ]),
        Err(error) => {
            let why = format!("{error:#}");
            figures.extend([Figure::missing(name("/seed"), seed, &why), Figure::missing(name("/cpu"), cpu, &why)]);
        }
    }
    figures
}
