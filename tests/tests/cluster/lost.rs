use std::sync::atomic::AtomicU64;

use anyhow::{Result, ensure};
use contract::{Kind, Truth};
use serde_json::json;
use sqlx::MySqlPool;
use stack::{Redis, Stack, ask, wait_for};
use tests::{Api, GROUP, Model, Topic};

use super::{PATIENCE, add, article_where, change, master_of, settled, start};

/// The master that is lost, and an article on it.
struct Lost<'a> {
    article: i64,
    master: &'a Redis,
    replica: &'a Redis,
    /// An article on another master.
    other: i64,
}

impl<'a> Lost<'a> {
    /// Does not choose the server that the URL names: without that server, an instance that knows no other one finds none.
    async fn of(stack: &'a Stack) -> Result<Self> {
        let seed = stack.cluster().nodes()[0].port();
        let article = article_where(stack, |port| port != seed).await?;
        let master = master_of(stack, article).await?;
        let replica = stack.cluster().replica_of(master).await?;
        let other = article_where(stack, |port| port != master.port()).await?;
        Ok(Self { article, master, replica, other })
    }
}

/// Starts a replica, and waits until it has replaced its master.
async fn takes_over(stack: &Stack, replica: &Redis, article: i64) -> Result<()> {
    replica.start().await?;
    wait_for("the replica to take over", PATIENCE, async || {
        Ok((master_of(stack, article).await.is_ok_and(|now| now.port() == replica.port())).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_master_is_fenced_and_its_loss_is_recorded() -> Result<()> {
    let (stack, _turn) = start().await?;
    let api = Api::new(stack.http_url());
    let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
    let topic = Topic::open(&stack.kafka_brokers(), GROUP)?;
    let Lost { article, master, replica, other } = Lost::of(&stack).await?;

    let mut model = Model::default();
    // Each kind has a hundred users of its own, so that no kind switches another one off.
    let hundreds: Vec<(i64, Kind)> = (0..).step_by(100).zip(Kind::ALL.iter().copied()).collect();
    for (first, kind) in &hundreds {
        for user in first + 1..=first + 10 {
            add(&api, &mut model, *kind, (user, article)).await?;
            add(&api, &mut model, *kind, (user, other)).await?;
        }
    }
    settled(&stack, &topic, &model).await?;

    // From here on the replica gets nothing and nothing leaves the outbox, so only the master has the next changes.
    replica.kill().await?;
    stack.kafka.kill().await?;
    // Changes that MySQL decides are safe there. Only their projection is lost.
    let mut gone = 0;
    for (first, kind) in &hundreds {
        for user in first + 11..=first + 20 {
            if kind.truth() == Truth::Mysql {
                add(&api, &mut model, *kind, (user, article)).await?;
            } else {
                change(&api, *kind, (user, article), true, &AtomicU64::new(0)).await?;
                gone += 1;
            }
        }
    }
    wait_for("the persister to have seen them wait, and projected the others", PATIENCE, async || {
        let sql = "SELECT (SELECT CAST(COALESCE(SUM(waiting), 0) AS SIGNED) FROM outbox_seen),
                          (SELECT COUNT(*) FROM outbox WHERE NOT projected)";
        let waiting: (i64, i64) = sqlx::query_as(sql).fetch_one(&mysql).await?;
        Ok((waiting.0 >= gone && waiting.1 == 0).then_some(()))
    })
    .await?;
    // The entries in flight are lost with the process. A new one starts without anything from this master.
    stack.persister.kill().await?;
    master.kill().await?;
    stack.persister.start().await?;
    takes_over(&stack, replica, article).await?;
    // The promoted server is fenced. Meanwhile the other masters serve.
    for (_, kind) in &hundreds {
        if kind.truth() == Truth::Redis {
            wait_for("the promoted server to be met, and found cold", PATIENCE, async || {
                let answer = api.switch(*kind, article, true).user(1).send().await?;
                ensure!(answer.status == 503, "{answer:?}");
                Ok((answer.body["type"] == "/v1/problems/not-warm").then_some(()))
            })
            .await?;
        } else {
            add(&api, &mut model, *kind, (700, article)).await?;
        }
        add(&api, &mut model, *kind, (700, other)).await?;
    }
    let query = api.get(&format!("/v1/interactions?article_ids={article},{other}")).good().await?;
    assert_eq!((&query["items"][0]["stale"], &query["items"][1]["stale"]), (&json!(true), &json!(false)), "{query}");

    stack.kafka.start().await?;
    stack.wait_answers(true).await?;
    // Only what the lost master had passed on is there.
    settled(&stack, &topic, &model).await?;
    let (lost_waiting, lost_of): (i64, i64) =
        sqlx::query_as("SELECT CAST(SUM(lost_waiting) AS SIGNED), CAST(SUM(lost_of) AS SIGNED) FROM rebuild")
            .fetch_one(&mysql)
            .await?;
    assert_eq!((lost_waiting, lost_of > 0), (gone, true), "the rebuild records what was lost");

    // The old master comes back as a replica of the new one, gets all its data, and takes over again.
    master.start().await?;
    wait_for("the old master to follow", PATIENCE, async || {
        Ok(ask(master, &["INFO", "replication"]).await?.contains("master_link_status:up").then_some(()))
    })
    .await?;
    stack.cluster().fail_over(replica).await?;
    stack.wait_answers(true).await?;
    for (first, kind) in hundreds {
        add(&api, &mut model, kind, (first + 30, article)).await?;
    }
    settled(&stack, &topic, &model).await?;
    stack.stop().await
}

/// The promoted server's outbox lacks nothing. Only the projection shows that something is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_server_that_lacks_a_projection_alone_is_rebuilt() -> Result<()> {
    let (stack, _turn) = start().await?;
    let api = Api::new(stack.http_url());
    let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
    let topic = Topic::open(&stack.kafka_brokers(), GROUP)?;
    let Lost { article, master, replica, .. } = Lost::of(&stack).await?;
    let mut model = Model::default();
    for (user, kind) in (1..).zip(Kind::ALL.iter().copied()) {
        add(&api, &mut model, kind, (user, article)).await?;
    }
    settled(&stack, &topic, &model).await?;
    let rebuilds =
        async || -> Result<i64> { Ok(sqlx::query_scalar("SELECT COUNT(*) FROM rebuild").fetch_one(&mysql).await?) };
    let before = rebuilds().await?;

    replica.kill().await?;
    for kind in Kind::of(Truth::Mysql) {
        for user in 101..=110 {
            add(&api, &mut model, kind, (user, article)).await?;
        }
    }
    settled(&stack, &topic, &model).await?;
    master.kill().await?;
    takes_over(&stack, replica, article).await?;
    wait_for("a rebuild", PATIENCE, async || Ok((rebuilds().await? > before).then_some(()))).await?;
    stack.wait_answers(true).await?;
    settled(&stack, &topic, &model).await?;
    stack.stop().await
}
