//! A Redis Cluster of three masters, each with a replica. Everything works as on one server, and a failover loses nothing that
//! was acknowledged. If a master is lost with changes that it had not passed on, its successor is fenced and rebuilt, and the
//! loss is recorded. On a cluster of many masters, all of them become warm again after all were cold.

mod lost;
mod many;
mod relays;
mod split;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use contract::{Kind, slot};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;
use stack::{Options, Redis, Stack};
use tests::{Api, GROUP, Log, Model, Pair, Topic, compare, drained, partition_of};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::JoinSet,
};

const CLIENTS: i64 = 16;
const USERS: i64 = 320;
const ARTICLES: i64 = 60;
const PATIENCE: Duration = Duration::from_secs(90);

/// Two tests at a time: each starts a cluster of its own.
static TURNS: Semaphore = Semaphore::const_new(2);

/// A system, and the turn that lasts as long as it.
async fn start() -> Result<(Stack, SemaphorePermit<'static>)> {
    let turn = TURNS.acquire().await?;
    let options = Options::default().clustered().quiet().wide_limits();
    Ok((Stack::start(options.persister_env("INTERACTION_SNAPSHOT_SECONDS", 1)).await?, turn))
}

/// Asks to switch a kind on or off until that is acknowledged, and counts the refusals.
async fn change(api: &Api, kind: Kind, (user, article): Pair, on: bool, refused: &AtomicU64) -> Result<()> {
    let ends = Instant::now() + PATIENCE;
    while Instant::now() < ends {
        let answer = api.switch(kind, article, on).user(user).send().await?;
        if answer.status != 503 {
            return answer.says(kind, article, on);
        }
        refused.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("user {user} cannot switch {kind} of article {article} within {PATIENCE:?}")
}

/// Switches the kind on, in the model too.
async fn add(api: &Api, model: &mut Model, kind: Kind, pair: Pair) -> Result<()> {
    change(api, kind, pair, true, &AtomicU64::new(0)).await?;
    model.switch(kind, pair, true);
    Ok(())
}

/// One client, which runs until `stop` is set. It has its own users, so the last answer to a user about an article is the state.
async fn client(api: Api, number: i64, stop: Arc<AtomicU64>, refused: Arc<AtomicU64>) -> Result<(Model, u64)> {
    let mut random = StdRng::seed_from_u64(number.cast_unsigned());
    let (mut model, mut sent) = (Model::default(), 0);
    while stop.load(Ordering::Relaxed) == 0 {
        let user = 1 + number + CLIENTS * random.random_range(0..USERS / CLIENTS);
        let (article, on) = (random.random_range(1..=ARTICLES), random.random_bool(0.6));
        let kind = *Kind::ALL.choose(&mut random).context("there are kinds")?;
        change(&api, kind, (user, article), on, &refused).await?;
        model.switch(kind, (user, article), on);
        sent += 1;
    }
    Ok((model, sent))
}

/// Waits until nothing is on its way, and compares everything.
async fn settled(stack: &Stack, topic: &Topic, model: &Model) -> Result<()> {
    drained(stack, topic, PATIENCE).await?;
    assert_eq!(compare(stack, model, 1..=ARTICLES).await?, []);
    Ok(())
}

async fn master_of(stack: &Stack, article: i64) -> Result<&Redis> {
    stack.cluster().master_of(slot(partition_of(article))).await
}

/// The first article whose master has a wanted port.
async fn article_where(stack: &Stack, wanted: impl Fn(u16) -> bool) -> Result<i64> {
    for article in 1..=ARTICLES {
        if wanted(master_of(stack, article).await?.port()) {
            return Ok(article);
        }
    }
    anyhow::bail!("no article lies there")
}

#[tokio::test(flavor = "multi_thread")]
async fn failovers_under_load_lose_nothing() -> Result<()> {
    let (stack, _turn) = start().await?;
    let api = Api::new(stack.http_url());
    let (stop, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(api.clone(), number, Arc::clone(&stop), Arc::clone(&refused)));
    }
    let mut owners = BTreeSet::new();
    for article in 1..=ARTICLES {
        owners.insert(master_of(&stack, article).await?.port());
    }
    assert_eq!(owners.len(), 3, "the articles lie on all masters");
    // Each master's articles move to its replica, and those of one master back again. Everything is served again before the
    // next failover begins.
    for at in [0, 1, 2, 0] {
        let master = stack.cluster().nodes()[at].port();
        let article = article_where(&stack, |port| port == master || at == 0).await?;
        let old = master_of(&stack, article).await?;
        stack.cluster().fail_over(old).await?;
        stack.wait_answers(true).await?;
        ensure!(master_of(&stack, article).await?.port() != old.port(), "another server has taken over");
    }
    stop.store(1, Ordering::Relaxed);
    let (mut model, mut acknowledged) = (Model::default(), 0);
    while let Some(done) = clients.join_next().await {
        let (of_client, sent) = done??;
        model.extend(of_client);
        acknowledged += sent;
    }
    // On a cluster, views and queries of many articles work too, and so does a kind that nobody had on.
    for article in 1..=ARTICLES {
        for (user, kind) in (1_000..).zip(Kind::ALL.iter().copied()) {
            add(&api, &mut model, kind, (user, article)).await?;
        }
        assert_eq!(api.post(&format!("/v1/articles/{article}/views")).user(2_000).good().await?["pv"], 1);
    }
    let topic = Topic::open(&stack.kafka_brokers(), GROUP)?;
    settled(&stack, &topic, &model).await?;
    assert_eq!(Log::of(&topic.events()?).against(&model), []);
    let ids: Vec<String> = (1..=ARTICLES).map(|id| id.to_string()).collect();
    for (user, kind) in (1_000..).zip(Kind::ALL.iter().copied()) {
        let batch = api.get(&format!("/v1/interactions?article_ids={}", ids.join(","))).user(user).good().await?;
        for (article, item) in (1..).zip(batch["items"].as_array().context("items")?) {
            assert_eq!((&item["stale"], &item["pv"], &item[kind.on()]), (&json!(false), &json!(1), &json!(true)));
            let count = model.standing(kind).iter().filter(|pair| pair.1 == article).count();
            assert_eq!(item[kind.count()], count, "{kind} of {article}");
        }
    }
    let reconciled = stack.persister.command(&["reconcile"])?.output().await?;
    assert!(reconciled.status.success(), "{reconciled:?}");
    println!(
        "4 failovers under load: {acknowledged} changes acknowledged, {} refused meanwhile, none lost, none twice",
        refused.load(Ordering::Relaxed)
    );
    stack.stop().await
}
