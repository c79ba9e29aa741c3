//! What goes on and what is refused while a part is down, stalls or has lost its data, as the contract's table says;
//! and that nothing is lost by it. All tests share one running system, one after the other, and each leaves it whole.

mod clock;
mod cost;
mod down;
mod full;
mod lost;
mod stalls;

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream};
use reqwest::Method;
use stack::{Options, Stack};
use tests::{Answer, Api, GROUP, Model, Topic, compare, drained};
use tokio::{runtime::Runtime, sync::Mutex};

/// Entries of a partition's outbox at which likes are refused.
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
        system.mend().await.context("before the test")?;
        let outcome = test(&system, Api::new(system.stack.http_url())).await;
        system.mend().await.context("after the test")?;
        outcome
    })
}

impl System {
    async fn mend(&self) -> Result<()> {
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

    /// Drained, every store holds what clients were told about these articles.
    async fn holds(&self, model: &Model, articles: std::ops::RangeInclusive<i64>) -> Result<()> {
        self.drained().await?;
        assert_eq!(compare(&self.stack, model, articles).await?, []);
        Ok(())
    }

    /// Until MySQL has that state of a like.
    async fn arrived(&self, user: i64, article: i64, on: bool) -> Result<()> {
        let mysql = sqlx::MySqlPool::connect(&self.stack.mysql_url()).await?;
        let sql = "SELECT EXISTS (SELECT 1 FROM user_like WHERE user_id = ? AND article_id = ? AND status = ?)";
        stack::wait_for("the like to be a row", PATIENCE, async || {
            let found: bool = sqlx::query_scalar(sql).bind(user).bind(article).bind(on).fetch_one(&mysql).await?;
            Ok(found.then_some(()))
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

/// An article's like or collect.
fn path(article: i64, kind: &str) -> String {
    format!("/v1/articles/{article}/{kind}")
}

/// Sends likes, 16 at once; all must be acknowledged.
async fn like_all(api: &Api, model: &mut Model, pairs: impl IntoIterator<Item = (i64, i64)>) -> Result<()> {
    let pairs: Vec<_> = pairs.into_iter().collect();
    let likes = pairs.iter().map(|(user, article)| api.put(&path(*article, "like")).user(*user).good());
    let answers: Vec<Result<_>> = stream::iter(likes).buffer_unordered(16).collect().await;
    answers.into_iter().collect::<Result<Vec<_>>>()?;
    model.likes.extend(pairs.into_iter().map(|pair| (pair, true)));
    Ok(())
}

/// The answer and how long it took, which must not be longer than promised.
async fn in_time(api: &Api, method: Method, path: &str, user: i64) -> Result<(Answer, Duration)> {
    let began = Instant::now();
    let answer = tokio::time::timeout(ANSWERED, api.ask(method, path).user(user).send()).await;
    let answer = answer.with_context(|| format!("{path}: no answer in {ANSWERED:?}"))??;
    Ok((answer, began.elapsed()))
}

/// Asks again until the answer is the one that is waited for.
async fn until(api: &Api, method: Method, path: &str, user: i64, status: u16) -> Result<Answer> {
    stack::wait_for(&format!("{status} from {path}"), PATIENCE, async || {
        let answer = api.ask(method.clone(), path).user(user).send().await?;
        ensure!([200, 503].contains(&answer.status.as_u16()), "{path}: {answer:?}");
        Ok((answer.status == status).then_some(answer))
    })
    .await
}

/// A refusal that tells when to come back.
fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
}
