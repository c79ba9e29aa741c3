//! The main promise: Redis, Kafka and MySQL have exactly what clients were answered, and delivering all events again changes
//! nothing.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use contract::{Kind, Truth};
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IteratorRandom};
use serde_json::{Value, json};
use sqlx::MySqlPool;
use stack::{Options, Stack, wait_for};
use tests::{
    Api, GROUP, Log, Model, Pair, Topic, compare, drained, number,
    site::{self, article},
};
use tokio::task::JoinSet;

const CLIENTS: i64 = 32;
const USERS: i64 = 500;
const ARTICLES: i64 = 200;
/// Half of all requests go to this article.
const HOT: i64 = 1;
/// The number of changes of kinds whose truth is Redis, and of kinds whose truth is MySQL.
const OF_REDIS: i64 = 10_000;
const OF_MYSQL: i64 = 2_000;
/// The first of the users who each switch one kind on for the hot article, to measure how long the other store takes to follow.
const FIRST_PROBE: i64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(90);

/// One client. It has users of its own, so the last answer to a user about an article is the state.
async fn client(api: Api, number: i64, seed: u64) -> Result<Model> {
    let mut random = StdRng::seed_from_u64(seed.wrapping_add(number.cast_unsigned()));
    let mut model = Model::default();
    let share = |of: i64| of / CLIENTS + i64::from(number < of % CLIENTS);
    let (mut of_redis, mut of_mysql) = (share(OF_REDIS), share(OF_MYSQL));
    while of_redis + of_mysql > 0 {
        let user = 1 + number + CLIENTS * random.random_range(0..=(USERS - 1 - number) / CLIENTS);
        let article = if random.random_bool(0.5) { HOT } else { random.random_range(1..=ARTICLES) };
        let on = random.random_bool(0.6);
        let (truth, left) = if random.random_range(0..of_redis + of_mysql) < of_redis {
            (Truth::Redis, &mut of_redis)
        } else {
            (Truth::Mysql, &mut of_mysql)
        };
        let kind = Kind::of(truth).choose(&mut random).with_context(|| format!("no kind of {truth:?}"))?;
        api.switch(kind, article, on).user(user).send().await?.says(kind, article, on)?;
        model.switch(kind, (user, article), on);
        *left -= 1;
    }
    Ok(model)
}

/// Switches the kind on for one user after the other until `stop` is set. Measures the time from each acknowledgement until the
/// store that follows shows the change.
async fn probe(
    api: Api,
    mysql: MySqlPool,
    kind: Kind,
    stop: Arc<AtomicBool>,
    next: Arc<AtomicI64>,
) -> Result<Vec<(Kind, Pair, Duration)>> {
    let mut lags = vec![];
    while !stop.load(Ordering::Relaxed) {
        let user = next.fetch_add(1, Ordering::Relaxed);
        api.switch(kind, HOT, true).user(user).send().await?.says(kind, HOT, true)?;
        let (acknowledged, ends) = (Instant::now(), Instant::now() + PATIENCE);
        while !follows(&api, &mysql, kind, user).await? {
            anyhow::ensure!(Instant::now() < ends, "{kind} of user {user} was acknowledged and is not seen");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        lags.push((kind, (user, HOT), acknowledged.elapsed()));
    }
    Ok(lags)
}

/// Whether the store that follows shows the change: a row in MySQL if Redis decides the kind, or counters that are not stale in
/// Redis if MySQL does.
async fn follows(api: &Api, mysql: &MySqlPool, kind: Kind, user: i64) -> Result<bool> {
    if kind.truth() == Truth::Mysql {
        let body = api.get(&format!("/v1/articles/{}/interactions", segment(HOT))).user(user).good().await?;
        return Ok(body["stale"] == false && body[kind.on()] == true);
    }
    let sql = "SELECT status FROM interaction WHERE article_id = ? AND kind = ? AND user_id = ?";
    let row: Option<(i8,)> = sqlx::query_as(sql)
        .bind(article(HOT).number().get())
        .bind(kind.code())
        .bind(site::user(user).number().get())
        .fetch_optional(mysql)
        .await?;
    Ok(row == Some((1,)))
}

/// The ranking of the day, once it includes everything that is acknowledged now.
async fn ranking(api: &Api, kind: Kind) -> Result<Value> {
    let now = Timestamp::now();
    wait_for("a ranking of now", PATIENCE, async || {
        let top = api.get(&format!("/v1/top/{}?window=day&limit=100", kind.count())).good().await?;
        let as_of: Option<Timestamp> = top["as_of"].as_str().map(str::parse).transpose()?;
        Ok(as_of.is_some_and(|as_of| as_of > now).then(|| top["items"].clone()))
    })
    .await
}

/// The ranking that the clients' model leads to. At the beginning nothing was on.
fn ranked(model: &Model, kind: Kind) -> Value {
    let mut all: Vec<_> = counts(model, kind).into_iter().collect();
    all.sort_by_key(|(of, count)| (Reverse(*count), article(*of).number()));
    let item = |(of, count): &(i64, i64)| json!({"article_id": article(*of), kind.count(): count});
    all.iter().take(100).map(item).collect()
}

fn counts(model: &Model, kind: Kind) -> BTreeMap<i64, i64> {
    model.standing(kind).into_iter().fold(BTreeMap::new(), |mut counts, (_, article)| {
        *counts.entry(article).or_default() += 1;
        counts
    })
}

/// Checks the lists of some users.
async fn lists(api: &Api, model: &Model, kind: Kind) -> Result<()> {
    for user in 1..=20 {
        let list = api.get(&format!("/v1/me/{}?limit=100", kind.count())).user(user).good().await?;
        let listed = list["items"].as_array().context("a list")?.iter().map(|item| item["article_id"].clone());
        let on = model.standing(kind).into_iter().filter(|pair| pair.0 == user);
        let on: BTreeSet<_> = on.map(|(_, of)| article(of).to_string()).collect();
        assert_eq!(
            listed.filter_map(|id| id.as_str().map(str::to_owned)).collect::<BTreeSet<_>>(),
            on,
            "{kind} of {user}"
        );
    }
    Ok(())
}

/// Checks that the stores, the counters, the lists and the rankings show what clients were answered.
async fn holds(stack: &Stack, api: &Api, model: &Model) -> Result<()> {
    assert_eq!(compare(stack, model, 1..=ARTICLES).await?, []);
    let articles: Vec<i64> = (1..=ARTICLES).collect();
    for some in articles.chunks(100) {
        let ids: Vec<String> = some.iter().map(|of| segment(*of)).collect();
        let batch = api.get(&format!("/v1/interactions?article_ids={}", ids.join(","))).good().await?;
        for kind in Kind::ALL.iter().copied() {
            let counts = counts(model, kind);
            for (at, article) in some.iter().enumerate() {
                let (item, count) = (&batch["items"][at], counts.get(article).copied().unwrap_or_default());
                assert_eq!((&item["stale"], &item[kind.count()]), (&json!(false), &json!(count)), "{item}");
            }
        }
    }
    for kind in Kind::ALL.iter().copied() {
        lists(api, model, kind).await?;
        assert_eq!(ranking(api, kind).await?, ranked(model, kind), "{kind}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_change_is_in_every_store_once() -> Result<()> {
    whole_path(Options::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_cluster_every_acknowledged_change_is_in_every_store_once() -> Result<()> {
    whole_path(Options::default().clustered()).await
}

/// With settings that other clients of a shared server may need.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_mysql_of_other_defaults_every_acknowledged_change_is_in_every_store_once() -> Result<()> {
    let options = Options::default()
        .mysql("autocommit", 0)
        .mysql("transaction-isolation", "SERIALIZABLE")
        .mysql("sql-mode", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,ONLY_FULL_GROUP_BY,PIPES_AS_CONCAT")
        .mysql("default-time-zone", "+05:30")
        .mysql("group-concat-max-len", 4)
        .mysql("init-connect", "SET NAMES latin1, sql_safe_updates = 1");
    whole_path(options).await
}

fn segment(of: i64) -> String {
    site::segment(&article(of).to_string())
}

async fn whole_path(options: Options) -> Result<()> {
    site::use_names();
    let seed = number("E2E_SEED")?.unwrap_or_else(rand::random);
    println!("seed {seed} (E2E_SEED={seed} repeats it)");
    let stack = Stack::start(options.wide_limits()).await?;
    let api = Api::new(stack.http_url());
    let mysql = tests::mysql(&stack.mysql_url()).await?;

    let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(FIRST_PROBE)));
    let mut probes = JoinSet::new();
    for kind in Kind::ALL.iter().copied() {
        probes.spawn(probe(api.clone(), mysql.clone(), kind, Arc::clone(&stop), Arc::clone(&next)));
    }
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(api.clone(), number, seed));
    }
    let mut model = Model::default();
    while let Some(done) = clients.join_next().await {
        let of_client = done??;
        model.extend(of_client);
    }
    let took = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut lags = vec![];
    while let Some(done) = probes.join_next().await {
        lags.extend(done??);
    }
    for (kind, pair, _) in &lags {
        model.switch(*kind, *pair, true);
    }

    let topic = Topic::open(&stack.kafka_brokers(), GROUP)?;
    drained(&stack, &topic, PATIENCE).await?;
    let events = topic.events()?;
    assert_eq!(Log::of(&events).against(&model), []);
    holds(&stack, &api, &model).await?;

    // Deliver all events again.
    stack.persister.terminate().await?;
    topic.rewind()?;
    assert!(topic.lag()? > 0, "the consumer group begins again");
    stack.persister.start().await?;
    drained(&stack, &topic, PATIENCE).await?;
    holds(&stack, &api, &model).await?;

    let status = stack.persister.command(&["status"])?.output().await?;
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
    println!(
        "{} requests in {took:.1?}, {} events, {} states of kind, user and article compared, twice; on {}",
        OF_REDIS + OF_MYSQL + i64::try_from(lags.len())?,
        events.len(),
        model.states().count(),
        stack.app.kind()
    );
    print_lags(&lags);
    stack.stop().await
}

fn print_lags(lags: &[(Kind, Pair, Duration)]) {
    for (truth, follower, target) in
        [(Truth::Redis, "a visible row", ""), (Truth::Mysql, "Redis's projection", " (the target is 100 ms)")]
    {
        let of_truth = lags.iter().filter(|(kind, _, _)| kind.truth() == truth);
        let mut lags: Vec<_> = of_truth.map(|(_, _, lag)| lag.as_millis()).collect();
        lags.sort_unstable();
        let at = |share: usize| lags.get(lags.len() * share / 100).copied().unwrap_or_default();
        println!(
            "acknowledged by {truth:?} to {follower} under this load, {} times: p50 {} ms, p99 {} ms{target}",
            lags.len(),
            at(50),
            at(99)
        );
    }
}
