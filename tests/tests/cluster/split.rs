use anyhow::{Context, Result, ensure};
use contract::{
    Kind, Truth,
    keys::{self, BarSet, Subject},
    scripts::{At, Call, Limit, Toggle, send},
    slot,
};
use redis::AsyncCommands;
use stack::ask;
use tests::{Api, GROUP, Model, Topic, id, partition_of};

use super::{add, master_of, settled, start};

/// While a slot is being moved, its server ends a script at a key that it has not: a set is split no further then, and
/// nobody falls out of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_split_that_is_cut_short_loses_nobody() -> Result<()> {
    /// As many as one set may have on average (`lua/include/members.lua`).
    const PER_SET: i64 = 192;
    let (stack, _turn) = start().await?;
    let api = Api::new(stack.http_url());
    let (article, mut model) = (1, Model::default());
    let kind = Kind::of(Truth::Redis).next().context("a kind of Redis")?;
    let mut redis = tests::redis(&stack.redis_url()).await?;
    // Two sets; with one, the number of them is a key that is not there. Of what it excludes, somebody has it on.
    for user in 1..=2 * PER_SET {
        add(&api, &mut model, kind, (user, article)).await?;
    }
    for other in kind.excludes() {
        add(&api, &mut model, *other, (1_000, article)).await?;
        let () = redis.set(keys::members(*other, id(article)) + ":n", 1).await?;
    }
    let (partition, slot) = (partition_of(article), slot(partition_of(article)).to_string());
    let master = master_of(&stack, article).await?;
    let other =
        stack.cluster().nodes()[..3].iter().find(|node| node.port() != master.port()).context("three masters")?;
    let other = ask(other, &["CLUSTER", "MYID"]).await?;

    // All keys that the script declares are there, so that the server lets it begin.
    let (user, ip_hash) = (2 * PER_SET + 1, "0af7");
    for subject in [Subject::User(id(user)), Subject::Address(ip_hash)] {
        let () = redis.set(keys::limit(id(article), kind.name(), subject), 0).await?;
    }
    let () = redis.sadd(keys::barred(partition, BarSet::of(id(user))), 0).await?;
    let () = redis.zadd(keys::held(partition), "nobody", 0).await?;
    let toggle = Toggle {
        kind,
        user: user.to_string().parse().expect("an id"),
        article: article.to_string().parse().expect("an id"),
        on: true,
        outbox_max: 1_000_000,
        limits: [Limit { burst: 1_000, interval_us: 1 }; 2],
        request_id: "request",
        ip_hash,
    };
    let server: String = redis.hget(keys::warm(partition), "run_id").await?;
    let at = At { server: &server, deadline_ms: None };
    for key in toggle.command(at).keys {
        let exists: bool = redis.exists(&key).await?;
        ensure!(exists, "{} is not there", String::from_utf8_lossy(&key));
    }
    ask(master, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &other]).await?;
    let mut connection = master.client().get_multiplexed_async_connection().await?;
    let eval = redis::cmd("EVAL").arg(send(&toggle, at, true).collect::<Vec<_>>()).exec_async(&mut connection).await;
    println!("{}", eval.expect_err("the set that is to be added is not there"));
    ask(master, &["CLUSTER", "SETSLOT", &slot, "STABLE"]).await?;
    model.switch(kind, (user, article), true);

    let topic = Topic::open(&stack.kafka_brokers(), GROUP)?;
    settled(&stack, &topic, &model).await?;
    // The next one splits it.
    add(&api, &mut model, kind, (user + 1, article)).await?;
    settled(&stack, &topic, &model).await?;
    let sets: i64 = redis.get(keys::members(kind, id(article)) + ":n").await?;
    assert_eq!(sets, 3);
    stack.stop().await
}
