//! The main promise: what clients were told is what Redis, Kafka and MySQL hold, and delivering it all again changes
//! nothing.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sqlx::MySqlPool;
use stack::{Options, Stack, wait_for};
use tests::{Api, GROUP, Log, Model, Topic, compare, drained, number};
use tokio::task::JoinSet;

const CLIENTS: i64 = 32;
const USERS: i64 = 500;
const ARTICLES: i64 = 200;
/// Half of all requests go to this one.
const HOT: i64 = 1;
const LIKES: i64 = 10_000;
const COLLECTS: i64 = 2_000;
/// Users of whom each likes the hot article once, to see how long its row takes.
const FIRST_PROBE: i64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(90);

/// One client: its own users, so that the last answer to a user about an article is the state.
async fn client(api: Api, number: i64, seed: u64) -> Result<Model> {
    let mut random = StdRng::seed_from_u64(seed.wrapping_add(number.cast_unsigned()));
    let mut model = Model::default();
    let share = |of: i64| of / CLIENTS + i64::from(number < of % CLIENTS);
    let (mut likes, mut collects) = (share(LIKES), share(COLLECTS));
    while likes + collects > 0 {
        let user = 1 + number + CLIENTS * random.random_range(0..=(USERS - 1 - number) / CLIENTS);
        let article = if random.random_bool(0.5) { HOT } else { random.random_range(1..=ARTICLES) };
        let on = random.random_bool(0.6);
        let like = random.random_range(0..likes + collects) < likes;
        let (kind, said, counted) =
            if like { ("like", "liked", "likes") } else { ("collect", "collected", "collects") };
        let path = format!("/v1/articles/{article}/{kind}");
        let body = if on { api.put(&path) } else { api.delete(&path) }.user(user).good().await?;
        anyhow::ensure!(body["article_id"] == *article.to_string() && body[said] == on, "{path}: {body}");
        anyhow::ensure!(body[counted].as_i64() >= Some(i64::from(on)), "{path}: {body}");
        if like {
            model.likes.insert((user, article), on);
            likes -= 1;
        } else {
            model.collects.insert((user, article), on);
            collects -= 1;
        }
    }
    Ok(model)
}

/// From the acknowledgement of a like until another connection sees its row, again and again until told to stop.
async fn probe(api: Api, mysql: MySqlPool, stop: Arc<AtomicBool>, next: Arc<AtomicI64>) -> Result<Vec<Duration>> {
    let mut lags = vec![];
    while !stop.load(Ordering::Relaxed) {
        let user = next.fetch_add(1, Ordering::Relaxed);
        api.put(&format!("/v1/articles/{HOT}/like")).user(user).good().await?;
        let acknowledged = Instant::now();
        row(&mysql, user).await?;
        lags.push(acknowledged.elapsed());
    }
    Ok(lags)
}

/// Waits until a like of the hot article is a row.
async fn row(mysql: &MySqlPool, user: i64) -> Result<()> {
    let ends = Instant::now() + PATIENCE;
    while Instant::now() < ends {
        let found: Option<(i8,)> = sqlx::query_as("SELECT status FROM user_like WHERE user_id = ? AND article_id = ?")
            .bind(user)
            .bind(HOT)
            .fetch_optional(mysql)
            .await?;
        if found.is_some() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    anyhow::bail!("the like of user {user} was acknowledged and is no row after {PATIENCE:?}")
}

/// The ranking of the day, once all is in it that is acknowledged now.
async fn ranking(api: &Api) -> Result<Value> {
    let now = Timestamp::now();
    wait_for("a ranking of now", PATIENCE, async || {
        let top = api.get("/v1/top/likes?window=day&limit=100").good().await?;
        let as_of: Option<Timestamp> = top["as_of"].as_str().map(str::parse).transpose()?;
        Ok(as_of.is_some_and(|as_of| as_of > now).then(|| top["items"].clone()))
    })
    .await
}

/// What it is by what clients were told, who began with nothing.
fn expected(model: &Model) -> Value {
    let mut likes: BTreeMap<i64, i64> = BTreeMap::new();
    for (_, article) in Model::standing(&model.likes) {
        *likes.entry(article).or_default() += 1;
    }
    let mut all: Vec<_> = likes.into_iter().collect();
    all.sort_by_key(|(article, likes)| (Reverse(*likes), *article));
    let item = |(article, likes): &(i64, i64)| json!({"article_id": article.to_string(), "likes": likes});
    all.iter().take(100).map(item).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_change_is_in_every_store_once() -> Result<()> {
    whole_path(Options::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_cluster_every_acknowledged_change_is_in_every_store_once() -> Result<()> {
    whole_path(Options::default().clustered()).await
}

async fn whole_path(options: Options) -> Result<()> {
    let seed = number("E2E_SEED")?.unwrap_or_else(rand::random);
    println!("seed {seed} (E2E_SEED={seed} repeats it)");
    let stack = Stack::start(options.wide_limits()).await?;
    let api = Api::new(stack.http_url());
    let mysql = MySqlPool::connect(&stack.mysql_url()).await?;

    let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(FIRST_PROBE)));
    let mut probes = JoinSet::new();
    for _ in 0..2 {
        probes.spawn(probe(api.clone(), mysql.clone(), Arc::clone(&stop), Arc::clone(&next)));
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
    lags.sort();
    for user in FIRST_PROBE..next.load(Ordering::Relaxed) {
        model.likes.insert((user, HOT), true);
    }

    let topic = Topic::open(&stack.kafka_brokers(), GROUP)?;
    drained(&stack, &topic, PATIENCE).await?;
    assert_eq!(compare(&stack, &model, 1..=ARTICLES).await?, []);
    let events = topic.events()?;
    assert_eq!(Log::of(&events).against(&model), []);
    assert_eq!(ranking(&api).await?, expected(&model));

    // Again, all of it.
    stack.persister.terminate().await?;
    topic.rewind()?;
    assert!(topic.lag()? > 0, "the consumer group begins again");
    stack.persister.start().await?;
    drained(&stack, &topic, PATIENCE).await?;
    assert_eq!(compare(&stack, &model, 1..=ARTICLES).await?, []);
    assert_eq!(ranking(&api).await?, expected(&model));

    let requests = LIKES + COLLECTS + i64::try_from(lags.len())?;
    let at = |share: usize| lags[(lags.len() * share / 100).min(lags.len() - 1)].as_millis();
    println!(
        "{requests} requests in {took:.1?}, {} events, {} pairs of user and article compared, twice; on {}",
        events.len(),
        model.likes.len() + model.collects.len(),
        stack.app.kind()
    );
    println!("acknowledged like to visible row under this load: p50 {} ms, p99 {} ms", at(50), at(99));
    stack.stop().await
}
