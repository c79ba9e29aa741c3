//! Counters and status through HTTP, beside hello and the Go design's service; alone, and with a like now and then.

use anyhow::Result;

use super::{
    drive::{CLIENTS, Drive, Run, Servers, Side, beside_seed},
    pace::float,
    requests::{ANONYMOUS, likes, mix, reads},
};
use crate::{
    bench::Bench,
    ids::{self, Strangers},
    mysql,
    report::{Figure, Goal},
    samples::Samples,
    server::Server,
    world::World,
};

/// Statements of MySQL a read: none, but Redis may once take longer than a read waits before it asks MySQL too.
const STATEMENTS: f64 = 0.001;
/// Clients that Redis always answers in time.
const FEW: usize = 4;
const READS_A_LIKE: usize = 20;
/// Who like in one run of the mixed load.
const LIKERS: u64 = 2000;

/// What is asked.
pub(super) struct Case {
    name: &'static str,
    what: &'static str,
    each: &'static str,
    unit: &'static str,
    articles: u64,
    signed_in: bool,
    likes: bool,
    /// Throughput ÷ that of the hello component.
    of_hello: Option<f64>,
}

const READ: Case = Case {
    name: "read/one",
    what: "reads of one article by signed-in users",
    each: "read",
    unit: "reads/s",
    articles: 1,
    signed_in: true,
    likes: false,
    of_hello: Some(0.55),
};

pub(super) const READS: &[Case] = &[
    READ,
    Case { name: "read/one/anonymous", what: "the same without a token", signed_in: false, of_hello: None, ..READ },
    Case {
        name: "read/batch-20",
        what: "reads of 20 articles by signed-in users",
        articles: 20,
        of_hello: Some(0.30),
        ..READ
    },
    Case {
        name: "read/batch-20/anonymous",
        what: "the same without a token",
        articles: 20,
        signed_in: false,
        of_hello: None,
        ..READ
    },
    Case {
        name: "read/batch-100",
        what: "reads of 100 articles by signed-in users",
        articles: 100,
        of_hello: None,
        ..READ
    },
    Case {
        name: "read/batch-100/anonymous",
        what: "the same without a token",
        articles: 100,
        signed_in: false,
        of_hello: None,
        ..READ
    },
];

pub(super) const MIXED: &[Case] = &[Case {
    name: "mixed",
    what: "20 reads of one article to a like, by signed-in users",
    each: "request",
    unit: "requests/s",
    likes: true,
    of_hello: None,
    ..READ
}];

/// The rounds of one case.
#[derive(Default)]
struct Rounds {
    hello: Samples,
    ours: Side,
    seed: Side,
}

pub(super) async fn measure(bench: &Bench, cases: &[Case]) -> Result<Vec<Figure>> {
    let cases: Vec<&Case> = cases.iter().filter(|case| bench.wants(case.name)).collect();
    let world = World::start().await?;
    world.stores_aside(&bench.cores)?;
    let servers = Servers::start(bench, &world).await?;
    let drive = Drive { bench, world: &world };
    drive.warm(&servers.app).await?;
    if let Ok(seed) = &servers.seed {
        drive.warm(seed).await?;
    }
    let tokens = (0..bench.scale.users).map(ids::token).collect();
    let mut load = Load { drive, tokens, strangers: drive.strangers() };

    let mut rounds: Vec<Rounds> = cases.iter().map(|_| Rounds::default()).collect();
    let mut statements = Samples::default();
    let asks_mysql = bench.wants(MYSQL) && cases.iter().all(|case| !case.likes);
    let bar = bench.progress.bar(bench.scale.rounds * cases.len());
    for _ in 0..bench.scale.rounds {
        for (case, rounds) in cases.iter().zip(&mut rounds) {
            bar.set_message(case.name);
            load.run(&servers.hello, case, |run| rounds.hello.push(run.outcome.per_second())).await?;
            load.run(&servers.app, case, |run| rounds.ours.push(run)).await?;
            if let Ok(seed) = &servers.seed {
                load.run(seed, case, |run| rounds.seed.push(run)).await?;
            }
            bar.inc(1);
        }
        if asks_mysql {
            statements.push(load.statements(&servers.app).await?);
        }
    }
    bar.finish_and_clear();
    let mut figures: Vec<Figure> =
        cases.iter().zip(&rounds).flat_map(|(case, rounds)| figures(drive, &servers, case, rounds)).collect();
    if asks_mysql {
        figures.push(
            Figure::new(MYSQL, "statements that MySQL has of a read while Redis is warm", "statements", &statements)
                .target(Goal::ValueAtMost, STATEMENTS)
                .conditions(format!(
                    "reads of 1, 20 and 100 articles by turns, {FEW} clients; Questions of SHOW GLOBAL STATUS, without \
                     those that ask"
                )),
        );
    }
    drop(servers);
    world.stop().await?;
    Ok(figures)
}

const MYSQL: &str = "read/mysql";

struct Load<'a> {
    drive: Drive<'a>,
    tokens: Vec<String>,
    strangers: Strangers,
}

impl Load<'_> {
    async fn run(&mut self, server: &Server, case: &Case, done: impl FnOnce(&Run)) -> Result<()> {
        // Instances and connections are there when it counts.
        let (warming, lines) = (self.requests(case), self.requests(case));
        self.drive.send(server, &warming, CLIENTS, 1, None).await?;
        done(&self.drive.full(server, &lines, CLIENTS).await?);
        self.drive.world.empty_outboxes().await
    }

    fn requests(&mut self, case: &Case) -> String {
        let articles = self.drive.bench.scale.articles;
        let anonymous = vec![ANONYMOUS.to_owned(); self.tokens.len()];
        let tokens = if case.signed_in { &self.tokens } else { &anonymous };
        let reads = reads(tokens, case.articles, articles);
        if !case.likes {
            return reads;
        }
        let likers = self.strangers.tokens(LIKERS);
        mix(&reads, READS_A_LIKE, &likes(&likers, |number| ids::article(0, ids::scattered(number) % articles)))
    }

    /// Statements that MySQL has of one read.
    async fn statements(&mut self, server: &Server) -> Result<f64> {
        let articles = self.drive.bench.scale.articles;
        let [one, some, many] = [1, 20, 100].map(|each| reads(&self.tokens, each, articles));
        let by_turns = mix(&one, 1, &mix(&some, 1, &many));
        let mut mysql = self.drive.world.mysql.acquire().await?;
        let mut questions = async || mysql::status(&mut *mysql, "Questions").await;
        // What asking costs is seen where nothing happens between.
        questions().await?;
        let (first, before) = (questions().await?, questions().await?);
        let sent = self.drive.send(server, &by_turns, FEW, self.drive.bench.scale.seconds, None).await?;
        let statements = questions().await? - before - (before - first);
        Ok(float(statements) / sent.requests())
    }
}

fn figures(drive: Drive, servers: &Servers, case: &Case, rounds: &Rounds) -> Vec<Figure> {
    let Drive { bench, world } = drive;
    let conditions = format!(
        "{CLIENTS} keep-alive clients, {} articles with likes and views, {} users; {}; Redis appendfsync always, \
         persister stopped",
        bench.scale.articles,
        bench.scale.users,
        bench.cores.apart(world.stack.app.kind(), "wrk, Redis and the other stores"),
    );
    let figure = Figure::new(case.name, case.what, case.unit, &rounds.ours.rate)
        .against("hello", &rounds.ours.rate, &rounds.hello)
        .conditions(&conditions);
    let figure = match case.of_hello {
        Some(target) => figure.target(Goal::RatioAtLeast, target),
        None => figure,
    };
    let seed = servers.seed.as_ref().map(|_| &rounds.seed);
    let of_seed = beside_seed((case.name, case.each, case.unit), &rounds.ours, seed, &conditions);
    std::iter::once(figure).chain(of_seed).collect()
}
