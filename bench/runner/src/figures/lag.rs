//! The time from the acknowledgement of a like to its row in MySQL, while other likes arrive at half of the rate that everything
//! together takes.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use contract::Kind;
use sqlx::MySqlPool;
use tests::Api;
use tokio::task::JoinSet;

use crate::{
    bench::Bench,
    ids,
    load::{Wrk, outcome},
    report::{Figure, Goal},
    samples::Samples,
    world::{World, write},
};

const P99_MS: f64 = 500.0;
/// How many likes are followed at the same time.
const PROBES: usize = 4;
const LOOK: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_mins(1);
/// Number of the first like that is followed. The load uses lower numbers, so the two never meet.
const FIRST_PROBE: u64 = 500_000_000;
/// Enough that requests which wait for a disk that everything shares do not hold the others back.
const CLIENTS: usize = 128;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (scale, cores) = (&bench.scale, &bench.cores);
    let world = World::start().await?;
    let app = world.app("app", "spin.toml", &format!("0-{}", cores.count() - 1)).await?;
    world.stack.persister.start().await?;
    let mut lines = String::new();
    for method in ["PUT", "DELETE"] {
        for number in 0..scale.users {
            let article = ids::article(0, number % scale.articles);
            writeln!(lines, "{method} /v1/articles/{article}/like {}", ids::token(number))?;
        }
    }
    let requests = write(&world, "requests", &lines)?;

    let (mut p50, mut p99) = (Samples::default(), Samples::default());
    let (mut full, mut half) = (Samples::default(), Samples::default());
    let next = Arc::new(AtomicU64::new(FIRST_PROBE));
    let (url, all) = (app.url(), format!("0-{}", cores.count() - 1));
    let bar = bench.progress.bar(scale.rounds);
    for _ in 0..scale.rounds {
        let wrk = |seconds, rate| Wrk { url: &url, requests: &requests, clients: CLIENTS, seconds, rate, cores: &all };
        let most = wrk(scale.seconds, None).run().await?.answered(0)?;
        world.applied(PATIENCE).await?;
        let load = wrk(3 * scale.seconds, Some(most.half_per_second())).start()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut probes = JoinSet::new();
        for _ in 0..PROBES {
            probes.spawn(probe(Api::new(app.url()), world.mysql.clone(), Arc::clone(&stop), Arc::clone(&next)));
        }
        let outcome = outcome(load).await?.answered(0)?;
        stop.store(true, Ordering::Relaxed);
        let mut lags = vec![];
        for probe in probes.join_all().await {
            lags.extend(probe?);
        }
        lags.sort_by(f64::total_cmp);
        ensure!(!lags.is_empty(), "no like was followed");
        p50.push(lags[lags.len() / 2]);
        p99.push(lags[lags.len() * 99 / 100]);
        full.push(most.per_second());
        half.push(outcome.per_second());
        bar.inc(1);
    }
    bar.finish_and_clear();
    let conditions = format!(
        "{:.0} likes/s where {:.0} are most, of {} articles by {CLIENTS} keep-alive clients, {PROBES} likes at a time followed \
         beside them, a look every 2 ms; Redis appendfsync always, innodb_flush_log_at_trx_commit=1; everything on all {} cores",
        half.median().unwrap_or_default(),
        full.median().unwrap_or_default(),
        scale.articles,
        cores.count(),
    );
    let figure = |name: &str, samples: &Samples| {
        Figure::new(format!("lag/{name}"), "acknowledged like to row in MySQL", "ms", samples).conditions(&conditions)
    };
    drop(app);
    world.stop().await?;
    Ok(vec![figure("p50", &p50), figure("p99", &p99).target(Goal::ValueAtMost, P99_MS)])
}

/// Likes one article after the other until `stop` is set. Returns how long each like took to become a row, in ms.
async fn probe(api: Api, mysql: MySqlPool, stop: Arc<AtomicBool>, next: Arc<AtomicU64>) -> Result<Vec<f64>> {
    let mut lags = vec![];
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let (user, article) = (ids::user(number), ids::article(1, number % 100));
        api.put(&format!("/v1/articles/{article}/like")).user(&user).good().await?;
        let acknowledged = Instant::now();
        while !is_row(&mysql, user.number().get(), article.number().get()).await? {
            ensure!(acknowledged.elapsed() < PATIENCE, "the like of user {user} is no row after {PATIENCE:?}");
            tokio::time::sleep(LOOK).await;
        }
        lags.push(acknowledged.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(lags)
}

async fn is_row(mysql: &MySqlPool, user: i64, article: i64) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM interaction WHERE article_id = ? AND kind = ? AND user_id = ?)";
    Ok(sqlx::query_scalar(sql).bind(article).bind(Kind::Like.code()).bind(user).fetch_one(mysql).await?)
}
