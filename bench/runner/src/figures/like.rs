//! A like through HTTP, beside hello, a connection per request, and the Go design's service.

use anyhow::{Result, ensure};

use super::{
    drive::{Drive, Run, Servers, Side, beside_seed},
    pace::float,
    requests::likes,
};
use crate::{
    bench::Bench,
    ids,
    machine::pin,
    report::{Figure, Goal},
    samples::Samples,
    server::Server,
    world::World,
};

/// Throughput ÷ that of the hello component, on our host; on Spin itself, whose own cost a request is higher.
const OF_HELLO: f64 = 0.60;
const OF_HELLO_ON_SPIN: f64 = 0.75;
/// ÷ that with a connection per request.
const OF_REOPENING: f64 = 2.5;
/// p99 ÷ p50.
const TAIL: f64 = 4.0;
/// Processor time ÷ the Go design's.
const CPU_OF_SEED: f64 = 1.6;

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

/// The rounds of one case, by what was measured.
#[derive(Default)]
struct Rounds {
    hello: Samples,
    like: Side,
    named: Samples,
    reopening: Samples,
    seed: Side,
    everysec: Samples,
    relaying: Samples,
    /// Share of the requests that changed something, in percent.
    changed: Samples,
}

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let cases: Vec<&Case> = CASES.iter().filter(|case| bench.wants(&format!("like/{}", case.name))).collect();
    let world = World::start().await?;
    world.stores_aside(&bench.cores)?;
    let servers = Servers::start(bench, &world).await?;
    let reopening = world.app("reopening", "bench/reopening/spin.toml", &bench.cores.server()).await?;
    let tokens: Vec<String> = (0..bench.scale.users).map(ids::token).collect();
    let named_tokens = (0..bench.scale.users).map(ids::named_token).collect();
    let mut load = Load { drive: Drive { bench, world: &world }, tokens, named_tokens, runs: 0 };

    let mut rounds: Vec<Rounds> = cases.iter().map(|_| Rounds::default()).collect();
    let bar = bench.progress.bar(bench.scale.rounds * cases.len());
    for _ in 0..bench.scale.rounds {
        for (case, rounds) in cases.iter().zip(&mut rounds) {
            bar.set_message(case.name);
            round(&mut load, &servers, &reopening, case, rounds).await?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let figures = cases.iter().zip(&rounds).flat_map(|(case, rounds)| figures(&load, &servers, case, rounds)).collect();
    drop((servers, reopening));
    world.stop().await?;
    Ok(figures)
}

async fn round(
    load: &mut Load<'_>,
    servers: &Servers,
    reopening: &Server,
    case: &Case,
    rounds: &mut Rounds,
) -> Result<()> {
    let world = load.drive.world;
    rounds.hello.push(load.run(&servers.hello, case).await?.0.outcome.per_second());

    let (like, changed) = load.run(&servers.app, case).await?;
    rounds.like.push(&like);
    rounds.changed.push(changed);

    rounds.named.push(load.run_with(Ids::Names, &servers.app, case).await?.0.outcome.per_second());

    rounds.reopening.push(load.run(reopening, case).await?.0.outcome.per_second());
    if let Ok(seed) = &servers.seed {
        rounds.seed.push(&load.run(seed, case).await?.0);
    }

    world.fsync("everysec").await?;
    rounds.everysec.push(load.run(&servers.app, case).await?.0.outcome.per_second());
    world.fsync("always").await?;

    if case.hot {
        let persister = &world.stack.persister;
        persister.start().await?;
        pin(persister, &load.drive.bench.cores.rest())?;
        rounds.relaying.push(load.run(&servers.app, case).await?.0.outcome.per_second());
        persister.terminate().await?;
        world.empty_outboxes().await?;
    }
    Ok(())
}

/// Sends likes; each run to articles of its own, so that it begins with nobody liking them.
struct Load<'a> {
    drive: Drive<'a>,
    tokens: Vec<String>,
    named_tokens: Vec<String>,
    runs: u64,
}

impl Load<'_> {
    /// The run, and the share of its requests that changed something, in percent.
    async fn run(&mut self, server: &Server, case: &Case) -> Result<(Run, f64)> {
        self.run_with(Ids::Numbers, server, case).await
    }

    async fn run_with(&mut self, ids: Ids, server: &Server, case: &Case) -> Result<(Run, f64)> {
        // Instances and connections are there when it counts.
        let (warming, lines) = (self.requests(ids, case), self.requests(ids, case));
        self.drive.send(server, &warming, case.clients, 1, None).await?;
        let (world, before) = (self.drive.world, self.drive.world.changes().await?);
        let run = self.drive.full(server, &lines, case.clients).await?;
        let (changes, sent) = (float(world.changes().await? - before), run.outcome.requests());
        // Those that were on their way when wrk ended, this one and the one before, are not among its requests.
        let under_way = 2.0 * float(case.clients as u64);
        ensure!(changes <= sent + under_way, "{changes:.0} changes by {sent:.0} likes: some counted twice");
        world.empty_outboxes().await?;
        Ok((run, (changes / sent * 100.0).min(100.0)))
    }

    fn requests(&mut self, ids: Ids, case: &Case) -> String {
        self.runs += 1;
        let (run, articles) = (self.runs, if case.hot { 1 } else { self.drive.bench.scale.articles });
        match ids {
            Ids::Numbers => likes(&self.tokens, |number| ids::article(run, number % articles)),
            Ids::Names => likes(&self.named_tokens, |number| ids::named_article(run, number % articles)),
        }
    }
}

fn figures(load: &Load, servers: &Servers, case: &Case, rounds: &Rounds) -> Vec<Figure> {
    let name = |part: &str| format!("like/{}{part}", case.name);
    let Drive { bench, world } = load.drive;
    let kind = world.stack.app.kind();
    let articles = if case.hot { "one article".to_owned() } else { format!("{} articles", bench.scale.articles) };
    let conditions = format!(
        "{} keep-alive clients, {articles}, {} users; {}; Redis appendfsync always, persister stopped; \
         {:.1} % of the likes changed something",
        case.clients,
        bench.scale.users,
        bench.cores.apart(kind, "wrk, Redis and the other stores"),
        rounds.changed.median().unwrap_or_default(),
    );
    let of_hello = if kind == "host" { OF_HELLO } else { OF_HELLO_ON_SPIN };
    let like = |part: &str, what: &str, samples: &Samples| Figure::new(name(part), what, "likes/s", samples);
    let mut figures = vec![
        like("", "likes through the component", &rounds.like.rate)
            .against("hello", &rounds.like.rate, &rounds.hello)
            .target(Goal::RatioAtLeast, of_hello)
            .conditions(&conditions),
        like(
            "/reopening",
            "likes through the component, beside one that opens a connection a request",
            &rounds.like.rate,
        )
        .against("reopening", &rounds.like.rate, &rounds.reopening)
        .target(Goal::RatioAtLeast, OF_REOPENING)
        .conditions(&conditions),
        like("/names", "likes of articles and by users whose ids are names", &rounds.named)
            .against("numbers", &rounds.named, &rounds.like.rate)
            .conditions(&conditions),
        like("/everysec", "the same with appendfsync everysec", &rounds.everysec)
            .against("hello", &rounds.everysec, &rounds.hello)
            .conditions(conditions.replace("always", "everysec")),
        Figure::new(name("/tail"), "p99 of a like, beside its p50", "ms", &rounds.like.p99)
            .against("p50", &rounds.like.p99, &rounds.like.p50)
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
    let seed = servers.seed.as_ref().map(|_| &rounds.seed);
    let [seed, cpu] = beside_seed((&name(""), "like", "likes/s"), &rounds.like, seed, &conditions);
    let cpu = cpu.target(Goal::RatioAtMost, CPU_OF_SEED);
    let sends = format!("{conditions}; Gin's includes its sending to Kafka, ours leaves it to the relay");
    figures.extend([seed, cpu.conditions(sends)]);
    figures
}
