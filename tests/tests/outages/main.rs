//! What goes on and what is refused while a part is down, stalls or has lost its data, as the contract's table says;
//! and that nothing is lost by it. All tests share one running system, one after the other, and each leaves it whole.

mod clock;
mod connections;
mod cost;
mod down;
mod full;
mod late;
mod load;
mod lost;
mod projection;
mod relays;
mod replicas;
mod restarted;
mod stalls;
mod table;

use std::{
    fmt::Display,
    sync::LazyLock,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use contract::{Kind, Truth, keys};
use futures::{StreamExt, stream};
use redis::AsyncCommands;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::MySqlPool;
use stack::{Options, Stack};
use tests::{Answer, Api, GROUP, Model, Topic, compare, drained};
use tokio::{runtime::Runtime, sync::Mutex};

/// Entries of a partition's outbox at which changes are refused.
const HIGH_WATER: i64 = 300;
const PATIENCE: Duration = Duration::from_mins(1);
/// The 2 s that a request may wait for its stores, and as much again for a busy machine.
const ANSWERED: Duration = Duration::from_secs(4);

static SYSTEM: LazyLock<(Runtime, Mutex<System>)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let options = Options::default()
        .wide_limits()
        .variable("outbox_max_length", HIGH_WATER)
        .persister_env("INTERACTION_SNAPSHOT_SECONDS", 1)
        .breakable()
        .quiet();
    let stack = runtime.block_on(Stack::start(options)).expect("the system starts");
    println!("on {}, data and logs in {}", stack.app.kind(), stack.data().display());
    (runtime, Mutex::new(System { stack }))
});

struct System {
    stack: Stack,
}

/// Runs a test alone on the shared system; afterwards all parts run and serve.
fn alone(test: impl AsyncFnOnce(&System, Api) -> Result<()>) -> Result<()> {
    let (runtime, system) = &*SYSTEM;
    runtime.block_on(async {
        let system = system.lock().await;
        system.repair().await.context("before the test")?;
        let outcome = test(&system, Api::new(system.stack.http_url())).await;
        system.repair().await.context("after the test")?;
        outcome
    })
}

impl System {
    async fn repair(&self) -> Result<()> {
        let stack = &self.stack;
        stack.network().release();
        stack.redis.set_clock(0)?;
        for service in [&*stack.redis, &*stack.mariadb, &*stack.kafka, &*stack.persister, &*stack.app] {
            if service.is_running() {
                service.resume()?;
            }
            service.start().await?;
        }
        stack.wait_answers(true).await
    }

    async fn drained(&self) -> Result<()> {
        drained(&self.stack, &Topic::open(&self.stack.kafka_brokers(), GROUP)?, PATIENCE).await
    }

    /// Drained, every store holds what clients were answered about these articles.
    async fn holds(&self, model: &Model, articles: std::ops::RangeInclusive<i64>) -> Result<()> {
        self.drained().await?;
        assert_eq!(compare(&self.stack, model, articles).await?, []);
        Ok(())
    }

    /// Until MySQL has what clients were answered.
    async fn arrived(&self, model: &Model) -> Result<()> {
        let mysql = MySqlPool::connect(&self.stack.mysql_url()).await?;
        stack::wait_for("the rows", PATIENCE, async || {
            let rows = tests::interactions(&mysql).await?;
            let arrived = model.states().all(|(kind, pair, on)| rows[&kind].contains(&pair) == on);
            Ok(arrived.then_some(()))
        })
        .await
    }

    /// Until every partition is served again.
    async fn warm(&self) -> Result<Duration> {
        let began = Instant::now();
        self.stack.wait_answers(true).await?;
        Ok(began.elapsed())
    }
}

/// Until the relay has passed on all of the article's partition.
async fn relayed(system: &System, article: i64) -> Result<()> {
    let mut redis = tests::redis(&system.stack.redis_url()).await?;
    let outbox = keys::outbox(tests::partition_of(article));
    stack::wait_for("the outbox to be empty", PATIENCE, async || {
        Ok((redis.xlen::<_, u64>(&outbox).await? == 0).then_some(()))
    })
    .await
}

/// A kind that Redis decides, where one stands for all of them.
fn of_redis() -> Kind {
    Kind::of(Truth::Redis).next().expect("Redis decides some")
}

/// All kinds, each with an article of its own.
fn kinds(first_article: i64) -> impl Iterator<Item = (Kind, i64)> + Clone {
    Kind::ALL.iter().map(move |kind| (*kind, first_article + i64::from(kind.code())))
}

/// What of an article: a kind, `views`…
fn path(article: i64, what: impl Display) -> String {
    format!("/v1/articles/{article}/{what}")
}

/// Switches a kind on, 16 requests at once; all must be acknowledged.
async fn switch_all(
    api: &Api,
    model: &mut Model,
    kind: Kind,
    pairs: impl IntoIterator<Item = (i64, i64)>,
) -> Result<()> {
    let pairs: Vec<_> = pairs.into_iter().collect();
    let requests = pairs.iter().map(|(user, article)| api.switch(kind, *article, true).user(*user).good());
    let answers: Vec<Result<_>> = stream::iter(requests).buffer_unordered(16).collect().await;
    answers.into_iter().collect::<Result<Vec<_>>>()?;
    for pair in pairs {
        model.switch(kind, pair, true);
    }
    Ok(())
}

/// The answer to a user about an article that nobody has viewed, by the model.
fn counters(model: &Model, (user, article): (i64, i64), stale: bool) -> Value {
    let mut counters = json!({"article_id": article.to_string(), "pv": 0, "uv": 0, "reads": 0, "stale": stale});
    for kind in Kind::ALL.iter().copied() {
        counters[kind.count()] = model.standing(kind).iter().filter(|pair| pair.1 == article).count().into();
        counters[kind.on()] = model.is_on(kind, (user, article)).into();
    }
    counters
}

/// Until a user gets that answer from Redis: what MySQL decides follows there.
async fn shown(api: &Api, model: &Model, pair: (i64, i64)) -> Result<()> {
    let expected = counters(model, pair, false);
    let mut last = Value::Null;
    let waited = stack::wait_for("the counters", PATIENCE, async || {
        last = api.get(&path(pair.1, "interactions")).user(pair.0).good().await?;
        Ok((last == expected).then_some(()))
    });
    waited.await.with_context(|| format!("{last} instead of {expected}"))
}

/// The answer and how long it took, which must not be longer than promised.
async fn in_time(api: &Api, method: Method, path: &str, user: i64) -> Result<(Answer, Duration)> {
    let began = Instant::now();
    let answer = tokio::time::timeout(ANSWERED, api.ask(method, path).user(user).send()).await;
    let answer = answer.with_context(|| format!("{path}: no answer in {ANSWERED:?}"))??;
    Ok((answer, began.elapsed()))
}

/// Asks again until it is switched; meanwhile it is refused and not more.
async fn until_switched(api: &Api, kind: Kind, (user, article): (i64, i64), on: bool) -> Result<Answer> {
    stack::wait_for(&format!("{kind} of {article} to be switched"), PATIENCE, async || {
        let answer = api.switch(kind, article, on).user(user).send().await?;
        ensure!([200, 503].contains(&answer.status.as_u16()), "{kind} of {article}: {answer:?}");
        Ok((answer.status == 200).then_some(answer))
    })
    .await
}

/// A refusal that says when to come back.
fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
}
