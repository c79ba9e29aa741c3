//! HTTP servers under test, each in turn under a load of its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    bench::Bench,
    ids::{self, Strangers},
    load::{Outcome, Wrk},
    machine::cpu_seconds,
    report::Figure,
    samples::Samples,
    server::Server,
    world::{World, write},
};

use super::requests::{likes, views};

pub(super) const CLIENTS: usize = 32;
/// Users who like each article of the warmed set; others view it, as many.
const LIKES_EACH: u64 = 3;

/// One run of the load generator against a server that is full.
pub(super) struct Run {
    pub(super) outcome: Outcome,
    pub(super) cpu_us: f64,
}

/// What one server did, a value a round.
#[derive(Default)]
pub(super) struct Side {
    pub(super) rate: Samples,
    cpu: Samples,
    pub(super) p50: Samples,
    pub(super) p99: Samples,
}

impl Side {
    pub(super) fn push(&mut self, run: &Run) {
        self.rate.push(run.outcome.per_second());
        self.cpu.push(run.cpu_us);
        self.p50.push(run.outcome.p50_ms);
        self.p99.push(run.outcome.p99_ms);
    }
}

/// The service, and what it is compared with everywhere.
pub(super) struct Servers {
    pub(super) hello: Server,
    pub(super) app: Server,
    /// Or why there is none.
    pub(super) seed: Result<Server>,
}

impl Servers {
    /// All on the core of the server under test.
    pub(super) async fn start(bench: &Bench, world: &World) -> Result<Self> {
        let core = bench.cores.server();
        Ok(Self {
            hello: world.app("hello", "bench/hello/spin.toml", &core).await?,
            app: world.app("app", "spin.toml", &core).await?,
            seed: world.seed(&core).await,
        })
    }
}

/// Sends lines of `requests` to servers.
#[derive(Clone, Copy)]
pub(super) struct Drive<'a> {
    pub(super) bench: &'a Bench,
    pub(super) world: &'a World,
}

impl Drive<'_> {
    /// Full for one round. Instances and connections have to be there already.
    pub(super) async fn full(self, server: &Server, lines: &str, clients: usize) -> Result<Run> {
        let cpu = cpu_seconds(server)?;
        let outcome = self.send(server, lines, clients, self.bench.scale.seconds, None).await?;
        Ok(Run { outcome, cpu_us: (cpu_seconds(server)? - cpu) / outcome.requests() * 1e6 })
    }

    pub(super) async fn send(
        self,
        server: &Server,
        lines: &str,
        clients: usize,
        seconds: u64,
        rate: Option<u64>,
    ) -> Result<Outcome> {
        let (requests, url, cores) = (write(self.world, "requests", lines)?, server.url(), self.bench.cores.rest());
        let wrk = Wrk { url: &url, requests: &requests, clients, seconds, rate, cores: &cores };
        wrk.run().await?.answered(server.lost_per_mille()).with_context(|| server.log_tail(10))
    }

    /// Gives every article likes and views, through the server itself, which has to read them then.
    pub(super) async fn warm(self, server: &Server) -> Result<()> {
        let articles = self.bench.scale.articles;
        let tokens: Vec<String> = (0..LIKES_EACH * articles).map(ids::token).collect();
        // The first half of the lines: those likes stay.
        let likes = likes(&tokens, |number| ids::article(0, number % articles));
        let likes: String = likes.split_inclusive('\n').take(tokens.len()).collect();
        self.whole(server, &(likes + &views(&tokens, articles))).await?;
        self.world.empty_outboxes().await?;
        // The first user likes the first article, and has viewed it.
        let url = format!("{}/v1/articles/{}/interactions", server.url(), ids::article(0, 0));
        let answer = reqwest::Client::new().get(url).bearer_auth(ids::token(0)).send().await?.text().await?;
        let read: Value = serde_json::from_str(&answer).with_context(|| answer.clone())?;
        let is_warm = read["likes"] == LIKES_EACH && read["uv"] == LIKES_EACH && read["liked"] == true;
        ensure!(is_warm, "{} reads {answer}", server.name());
        Ok(())
    }

    /// Users who did nothing in the warmed set.
    pub(super) fn strangers(self) -> Strangers {
        Strangers::after(LIKES_EACH * self.bench.scale.articles)
    }

    /// Until all lines were sent.
    async fn whole(self, server: &Server, lines: &str) -> Result<()> {
        let count = super::pace::float(lines.lines().count() as u64);
        let mut seconds = 1;
        loop {
            let sent = self.send(server, lines, CLIENTS, seconds, None).await?;
            if sent.requests() >= count {
                return Ok(());
            }
            // More than it should take: wrk begins again.
            seconds = 1 + Duration::try_from_secs_f64(1.2 * count / sent.per_second())?.as_secs();
        }
    }
}

/// `…/seed` and `…/cpu`: throughput and processor time beside the Go design's service, or why not.
pub(super) fn beside_seed(
    (name, each, unit): (&str, &str, &'static str),
    ours: &Side,
    seed: Result<&Side, &anyhow::Error>,
    conditions: &str,
) -> [Figure; 2] {
    let (rate_name, cpu_name) = (format!("{name}/seed"), format!("{name}/cpu"));
    let rate = format!("{unit} through the component, beside the Go design's service");
    let cpu = format!("processor time a {each} in the server");
    match seed {
        Ok(seed) => [
            Figure::new(rate_name, rate, unit, &ours.rate)
                .against("Gin", &ours.rate, &seed.rate)
                .conditions(conditions),
            Figure::new(cpu_name, cpu, "µs", &ours.cpu).against("Gin", &ours.cpu, &seed.cpu).conditions(conditions),
        ],
        Err(error) => {
            let why = format!("{error:#}");
            [Figure::missing(rate_name, rate, &why), Figure::missing(cpu_name, cpu, &why)]
        }
    }
}
