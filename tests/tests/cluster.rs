//! On a Redis Cluster of three masters, each with a replica: everything works as on one server, a failover loses nothing
//! that was acknowledged, and a master that is lost with what it had not passed on is fenced, rebuilt, and its loss told.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use contract::{keys, scripts, slot};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use sqlx::MySqlPool;
use stack::{Options, Redis, Stack, ask, wait_for};
use tests::{Api, GROUP, Log, Model, Topic, compare, drained, id, partition_of};
use tokio::task::JoinSet;

const CLIENTS: i64 = 16;
const USERS: i64 = 320;
const ARTICLES: i64 = 60;
const PATIENCE: Duration = Duration::from_secs(90);

async fn start() -> Result<Stack> {
    let options = Options::default().clustered().quiet().wide_limits();
    Stack::start(options.persister_env("INTERACTION_SNAPSHOT_SECONDS", 1)).await
}

fn path(article: i64) -> String {
    format!("/v1/articles/{article}/like")
}

/// Sends a like, or takes it back, until it is acknowledged; refusals are counted.
async fn change(api: &Api, user: i64, article: i64, on: bool, refused: &AtomicU64) -> Result<()> {
    let ends = Instant::now() + PATIENCE;
    while Instant::now() < ends {
        let path = path(article);
        let answer = if on { api.put(&path) } else { api.delete(&path) }.user(user).send().await?;
        if answer.status == 200 {
            ensure!(answer.body["liked"] == on, "{answer:?}");
            return Ok(());
        }
        ensure!(answer.status == 503, "{answer:?}");
        refused.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("user {user} cannot change article {article} within {PATIENCE:?}")
}

/// One client: its own users, so that the last answer to a user about an article is the state. Goes on until `stop`.
async fn client(api: Api, number: i64, stop: Arc<AtomicU64>, refused: Arc<AtomicU64>) -> Result<(Model, u64)> {
    let mut random = StdRng::seed_from_u64(number.cast_unsigned());
    let (mut model, mut sent) = (Model::default(), 0);
    while stop.load(Ordering::Relaxed) == 0 {
        let user = 1 + number + CLIENTS * random.random_range(0..USERS / CLIENTS);
        let (article, on) = (random.random_range(1..=ARTICLES), random.random_bool(0.6));
        change(&api, user, article, on, &refused).await?;
        model.likes.insert((user, article), on);
        sent += 1;
    }
    Ok((model, sent))
}

async fn master_of(stack: &Stack, article: i64) -> Result<&Redis> {
    stack.cluster().master_of(slot(partition_of(article))).await
}

/// The first article whose master's port is such.
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
    let stack = start().await?;
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
    // Each master's articles go to its replica, and back; after each, all is served before the next begins.
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
    // Collects, views and queries of many articles go their ways over a cluster too.
    for article in 1..=ARTICLES {
        api.put(&format!("/v1/articles/{article}/collect")).user(1).good().await?;
        model.collects.insert((1, article), true);
        assert_eq!(api.post(&format!("/v1/articles/{article}/views")).user(2).good().await?["pv"], 1);
    }
    let ids: Vec<String> = (1..=ARTICLES).map(|id| id.to_string()).collect();
    let batch = api.get(&format!("/v1/interactions?article_ids={}", ids.join(","))).user(2).good().await?;
    let items = batch["items"].as_array().context("items")?;
    assert!(items.iter().all(|item| item["stale"] == false && item["pv"] == 1 && item["collects"] == 1), "{batch}");

    let topic = Topic::open(&stack.kafka_brokers(), GROUP)?;
    drained(&stack, &topic, PATIENCE).await?;
    assert_eq!(compare(&stack, &model, 1..=ARTICLES).await?, []);
    assert_eq!(Log::of(&topic.events()?).against(&model), []);
    let reconciled = stack.persister.command(&["reconcile"])?.output().await?;
    assert!(reconciled.status.success(), "{reconciled:?}");
    println!(
        "4 failovers under load: {acknowledged} changes acknowledged, {} refused meanwhile, none lost, none twice",
        refused.load(Ordering::Relaxed)
    );
    stack.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_master_is_fenced_and_its_loss_told() -> Result<()> {
    let stack = start().await?;
    let api = Api::new(stack.http_url());
    let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
    let topic = Topic::open(&stack.kafka_brokers(), GROUP)?;
    let (refused, cluster) = (AtomicU64::new(0), stack.cluster());
    // Not the server that the URL names: without it, an instance that has met no other finds none.
    let seed = cluster.nodes()[0].port();
    let article = article_where(&stack, |port| port != seed).await?;
    let master = master_of(&stack, article).await?;
    let replica = cluster.replica_of(master).await?;
    let other = article_where(&stack, |port| port != master.port()).await?;

    let mut model = Model::default();
    for user in 1..=30 {
        change(&api, user, article, true, &refused).await?;
        change(&api, user, other, true, &refused).await?;
        model.likes.insert((user, article), true);
        model.likes.insert((user, other), true);
    }
    drained(&stack, &topic, PATIENCE).await?;

    // From here on the replica hears nothing, and nothing leaves the outbox: what the master takes now, only it has.
    replica.kill().await?;
    stack.kafka.kill().await?;
    for user in 31..=50 {
        change(&api, user, article, true, &refused).await?;
    }
    wait_for("the persister to have seen them wait", PATIENCE, async || {
        let waiting: (i64,) = sqlx::query_as("SELECT CAST(COALESCE(SUM(waiting), 0) AS SIGNED) FROM outbox_seen")
            .fetch_one(&mysql)
            .await?;
        Ok((waiting.0 >= 20).then_some(()))
    })
    .await?;
    // With its process goes what it has in flight; another begins with nothing of this master.
    stack.persister.kill().await?;
    master.kill().await?;
    stack.persister.start().await?;
    replica.start().await?;

    wait_for("the replica to take over", PATIENCE, async || {
        Ok((master_of(&stack, article).await.is_ok_and(|now| now.port() == replica.port())).then_some(()))
    })
    .await?;
    // It is fenced; meanwhile the other masters serve.
    wait_for("the promoted server to be met, and found cold", PATIENCE, async || {
        let answer = api.put(&path(article)).user(1).send().await?;
        ensure!(answer.status == 503, "{answer:?}");
        Ok((answer.body["type"] == "/v1/problems/not-warm").then_some(()))
    })
    .await?;
    change(&api, 60, other, true, &AtomicU64::new(0)).await?;
    model.likes.insert((60, other), true);
    let query = api.get(&format!("/v1/interactions?article_ids={article},{other}")).good().await?;
    assert_eq!((&query["items"][0]["stale"], &query["items"][1]["stale"]), (&json!(true), &json!(false)), "{query}");

    stack.kafka.start().await?;
    stack.wait_answers(true).await?;
    drained(&stack, &topic, PATIENCE).await?;
    assert_eq!(compare(&stack, &model, 1..=ARTICLES).await?, [], "what had been passed on is there, and no more");
    let (lost_waiting, lost_of): (i64, i64) =
        sqlx::query_as("SELECT CAST(SUM(lost_waiting) AS SIGNED), CAST(SUM(lost_of) AS SIGNED) FROM rebuild")
            .fetch_one(&mysql)
            .await?;
    assert_eq!((lost_waiting, lost_of > 0), (20, true), "20 changes were lost, and are told");

    // The old master comes back as the replica of the new one, and takes over again with all there is.
    master.start().await?;
    wait_for("the old master to follow", PATIENCE, async || {
        Ok(ask(master, &["INFO", "replication"]).await?.contains("master_link_status:up").then_some(()))
    })
    .await?;
    cluster.fail_over(replica).await?;
    stack.wait_answers(true).await?;
    change(&api, 61, article, true, &refused).await?;
    model.likes.insert((61, article), true);
    drained(&stack, &topic, PATIENCE).await?;
    assert_eq!(compare(&stack, &model, 1..=ARTICLES).await?, []);
    stack.stop().await
}

/// While a slot is being moved, its server ends a script at a key that it has not: a set is split no further then, and
/// nobody falls out of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_split_that_is_cut_short_loses_no_like() -> Result<()> {
    /// As many as one set may have on average (`lua/include/members.lua`).
    const PER_SET: i64 = 192;
    let stack = start().await?;
    let api = Api::new(stack.http_url());
    let (article, refused, mut model) = (1, AtomicU64::new(0), Model::default());
    // Two sets; with one, the number of them is a key that is not there.
    for user in 1..=2 * PER_SET {
        change(&api, user, article, true, &refused).await?;
        model.likes.insert((user, article), true);
    }
    let (partition, slot) = (partition_of(article), slot(partition_of(article)).to_string());
    let master = master_of(&stack, article).await?;
    let other =
        stack.cluster().nodes()[..3].iter().find(|node| node.port() != master.port()).context("three masters")?;
    let other = ask(other, &["CLUSTER", "MYID"]).await?;

    // All keys that the script declares are there, so that the server lets it begin.
    let user = 2 * PER_SET + 1;
    let limits =
        [format!("user:{user}"), "address:0af7".to_owned()].map(|of| format!("{{{partition}}}:limit:like:{of}"));
    for limit in &limits {
        ask(master, &["SET", limit, "0"]).await?;
    }
    let mut redis = tests::redis(&stack.redis_url()).await?;
    let () = redis::cmd("SADD").arg(keys::barred(partition)).arg(0).query_async(&mut redis).await?;
    let () = redis::cmd("ZADD").arg(keys::held(partition)).arg(0).arg("0:0").query_async(&mut redis).await?;
    let server: String = redis::cmd("HGET").arg(keys::warm(partition)).arg("run_id").query_async(&mut redis).await?;
    ask(master, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &other]).await?;
    let [of_user, of_address] = limits;
    let all = [
        keys::warm(partition),
        keys::barred(partition),
        keys::outbox(partition),
        of_user,
        of_address,
        keys::likes(id(article)),
        keys::members(id(article)),
        keys::held(partition),
    ];
    let (count, user_text) = (all.len().to_string(), user.to_string());
    let mut like = vec!["EVAL", scripts::LIKE.source, &count];
    like.extend(all.iter().map(String::as_str));
    like.extend([&server, "", &user_text, "1", "1", "1000000", "1000", "1", "1000", "1", "request", "0af7"]);
    let error = ask(master, &like).await.expect_err("the set that is to be added is not there");
    println!("{}", error.root_cause());
    ask(master, &["CLUSTER", "SETSLOT", &slot, "STABLE"]).await?;
    model.likes.insert((user, article), true);

    let topic = Topic::open(&stack.kafka_brokers(), GROUP)?;
    drained(&stack, &topic, PATIENCE).await?;
    assert_eq!(compare(&stack, &model, 1..=ARTICLES).await?, []);
    // The next one splits it.
    change(&api, user + 1, article, true, &refused).await?;
    model.likes.insert((user + 1, article), true);
    drained(&stack, &topic, PATIENCE).await?;
    assert_eq!(compare(&stack, &model, 1..=ARTICLES).await?, []);
    let sets: i64 = redis::cmd("GET").arg(keys::members(id(article)) + ":n").query_async(&mut redis).await?;
    assert_eq!(sets, 3);
    stack.stop().await
}
