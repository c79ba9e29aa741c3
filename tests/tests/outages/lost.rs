//! Redis loses its data.

use anyhow::{Context, Result, ensure};
use contract::{Kind, Truth, keys};
use redis::AsyncCommands;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stack::wait_for;
use tests::{Api, Model, partition_of, redis, rows};

use crate::{
    PATIENCE, System, alone, assert_refused, counters, in_time, of_redis, path, relayed, switch_all, until_switched,
};

/// This many users switch each kind on. The first of them switches it off again.
const USERS: i64 = 40;

/// A user, numbered from 1 on. Each kind has users of its own, because some kinds exclude each other.
fn user(kind: Kind, number: i64) -> i64 {
    1000 * i64::from(kind.code()) + number
}

/// Fills an article with every kind and with views. Returns when MySQL has all of it, with the model and a view token.
pub(crate) async fn fill(system: &System, api: &Api, article: i64) -> Result<(Model, Value)> {
    let mut model = Model::default();
    for kind in Kind::ALL.iter().copied() {
        switch_all(api, &mut model, kind, (1..=USERS).map(|number| (user(kind, number), article))).await?;
        api.switch(kind, article, false).user(user(kind, 1)).good().await?;
        model.switch(kind, (user(kind, 1), article), false);
    }
    let mut view = Value::Null;
    for user in [1, 2, 3, 1, 1] {
        view = api.post(&path(article, "views")).user(user).good().await?;
    }
    assert_eq!((&view["pv"], &view["uv"]), (&json!(5), &json!(3)));
    system.holds(&model, article..=article).await?;
    let mysql = sqlx::MySqlPool::connect(&system.stack.mysql_url()).await?;
    wait_for("the snapshot of PV", PATIENCE, async || {
        let saved = rows(&mysql, "SELECT article_id, pv FROM article_stats").await?;
        Ok(saved.contains(&(article, 5)).then_some(()))
    })
    .await?;
    Ok((model, view["view_token"].clone()))
}

/// The answer to one of the kind's users about an article that was filled.
fn filled(model: &Model, (of, article): (Kind, i64), stale: bool) -> Value {
    let mut answer = counters(model, (user(of, 2), article), stale);
    (answer["pv"], answer["uv"]) = (json!(5), json!(3));
    answer
}

/// Checks that every answer is right or a refusal. Returns whether Redis served all of them.
async fn right_or_refused(api: &Api, model: &Model, article: i64) -> Result<bool> {
    let mut warm = true;
    for kind in Kind::ALL.iter().copied() {
        let body = api.get(&path(article, "interactions")).user(user(kind, 2)).good().await?;
        let stale = body["stale"] == true;
        assert_eq!(body, filled(model, (kind, article), stale));
        // The kind is on already, so the count must not change.
        let answer = api.switch(kind, article, true).user(user(kind, 2)).send().await?;
        if answer.status == 200 {
            assert_eq!(answer.body[kind.count()], USERS - 1, "{answer:?}");
        } else {
            assert_eq!(kind.truth(), Truth::Redis, "{answer:?}");
            assert_refused(&answer);
        }
        warm &= !stale && answer.status == 200;
    }
    Ok(warm)
}

pub(crate) async fn epoch(system: &System, article: i64) -> Result<Option<u64>> {
    let mut redis = redis(&system.stack.redis_url()).await?;
    Ok(redis.hget(keys::warm(partition_of(article)), "epoch").await?)
}

/// Checks that after a rebuild everything is there as before, in a new epoch.
pub(crate) async fn all_is_back(
    system: &System,
    api: &Api,
    article: i64,
    (mut model, token): (Model, Value),
    epoch_before: u64,
) -> Result<()> {
    for kind in Kind::ALL.iter().copied() {
        let body = api.get(&path(article, "interactions")).user(user(kind, 2)).good().await?;
        assert_eq!(body, filled(&model, (kind, article), false));
    }
    assert!(epoch(system, article).await? > Some(epoch_before), "a rebuild begins a new epoch");
    assert_expired(api, article, &token).await?;
    // A visitor who was counted before is still known, and a change continues the count.
    let view = api.post(&path(article, "views")).user(3).good().await?;
    assert_eq!((&view["pv"], &view["uv"]), (&json!(6), &json!(3)));
    switch_one_off(api, &mut model, article).await?;
    system.holds(&model, article..=article).await
}

/// Checks that a view token from before the rebuild has expired, because nobody knows whether it was counted.
pub(crate) async fn assert_expired(api: &Api, article: i64, token: &Value) -> Result<()> {
    let read = async || api.post(&path(article, "reads")).body(json!({"view_token": token}).to_string()).send().await;
    // An instance that still has a connection to the old server cannot know whether its first attempt arrived.
    let read = match read().await? {
        first if first.status == StatusCode::SERVICE_UNAVAILABLE => read().await?,
        first => first,
    };
    let expired = (StatusCode::UNPROCESSABLE_ENTITY, &json!("/v1/problems/view-token-expired"));
    assert_eq!((read.status, &read.body["type"]), expired);
    Ok(())
}

/// Switches each kind off for one user. Every count must continue from where it was.
pub(crate) async fn switch_one_off(api: &Api, model: &mut Model, article: i64) -> Result<()> {
    for kind in Kind::ALL.iter().copied() {
        let body = api.switch(kind, article, false).user(user(kind, 2)).good().await?;
        assert_eq!((&body[kind.on()], &body[kind.count()]), (&json!(false), &json!(USERS - 2)));
        model.switch(kind, (user(kind, 2), article), false);
    }
    Ok(())
}

/// Waits until each kind can be switched again. The count must never be an older one.
pub(crate) async fn until_served(api: &Api, article: i64) -> Result<()> {
    for kind in Kind::ALL.iter().copied() {
        let answer = until_switched(api, kind, (user(kind, 2), article), true).await?;
        assert_eq!(answer.body[kind.count()], USERS - 1);
    }
    Ok(())
}

#[test]
fn a_flushed_redis_is_fenced_at_once_and_rebuilt() -> Result<()> {
    alone(async |system, api| {
        let (model, token) = fill(system, &api, 3000).await?;
        let before = epoch(system, 3000).await?.context("it is warm")?;
        let mut redis = redis(&system.stack.redis_url()).await?;
        system.stack.persister.terminate().await?;
        // Use connections that know the server's run id already. A flush does not change it.
        until_served(&api, 3000).await?;
        let () = redis::cmd("FLUSHALL").query_async(&mut redis).await?;
        assert_refused(&in_time(&api, Method::POST, &path(3000, "views"), 2).await?.0);
        for kind in Kind::of(Truth::Redis) {
            for method in [Method::PUT, Method::DELETE] {
                assert_refused(&in_time(&api, method, &path(3000, kind), user(kind, 2)).await?.0);
            }
        }
        assert!(!right_or_refused(&api, &model, 3000).await?, "what was flushed is not served");

        system.stack.persister.start().await?;
        system.warm().await?;
        all_is_back(system, &api, 3000, (model, token), before).await
    })
}

#[test]
fn during_a_flush_and_its_rebuild_an_answer_is_right_or_a_refusal() -> Result<()> {
    alone(async |system, api| {
        let (model, token) = fill(system, &api, 3100).await?;
        let before = epoch(system, 3100).await?.context("it is warm")?;
        let mut redis = redis(&system.stack.redis_url()).await?;
        let () = redis::cmd("FLUSHALL").query_async(&mut redis).await?;
        let mut cold = 0;
        wait_for("the rebuild", PATIENCE, async || {
            let warm = right_or_refused(&api, &model, 3100).await?;
            cold += i64::from(!warm);
            Ok((warm && epoch(system, 3100).await? > Some(before)).then_some(()))
        })
        .await?;
        println!("asked {cold} times during the rebuild");
        system.warm().await?;
        all_is_back(system, &api, 3100, (model, token), before).await
    })
}

#[test]
fn a_new_empty_redis_is_rebuilt_before_it_serves() -> Result<()> {
    alone(async |system, api| {
        let filled = fill(system, &api, 3200).await?;
        let before = epoch(system, 3200).await?.context("it is warm")?;
        system.stack.redis.kill().await?;
        let data = system.stack.data().join("redis");
        std::fs::remove_dir_all(&data)?;
        std::fs::create_dir(&data)?;
        system.stack.redis.start().await?;
        until_served(&api, 3200).await?;
        system.warm().await?;
        all_is_back(system, &api, 3200, filled, before).await
    })
}

#[test]
fn an_older_append_only_file_is_noticed_and_rebuilt() -> Result<()> {
    alone(async |system, api| {
        let data = system.stack.data().join("redis");
        let old = system.stack.data().join("redis.old");
        system.stack.redis.terminate().await?;
        let copied = std::process::Command::new("cp").arg("-a").args([&data, &old]).status()?;
        assert!(copied.success());
        system.stack.redis.start().await?;
        system.warm().await?;
        let filled = fill(system, &api, 3300).await?;
        let before = epoch(system, 3300).await?.context("it is warm")?;

        system.stack.redis.kill().await?;
        std::fs::remove_dir_all(&data)?;
        std::fs::rename(&old, &data)?;
        system.stack.redis.start().await?;
        until_served(&api, 3300).await?;
        system.warm().await?;
        all_is_back(system, &api, 3300, filled, before).await
    })
}

/// Only changes that MySQL decides are lost. No outbox of Redis shows that.
#[test]
fn an_older_append_only_file_that_lacks_a_projection_alone_is_noticed_too() -> Result<()> {
    alone(async |system, api| {
        let (mut model, _) = fill(system, &api, 3350).await?;
        let before = epoch(system, 3350).await?.context("it is warm")?;
        let data = system.stack.data().join("redis");
        let old = system.stack.data().join("redis.old");
        system.stack.redis.terminate().await?;
        let copied = std::process::Command::new("cp").arg("-a").args([&data, &old]).status()?;
        assert!(copied.success());
        system.stack.redis.start().await?;
        system.warm().await?;
        for kind in Kind::of(Truth::Mysql) {
            switch_all(&api, &mut model, kind, [(user(kind, USERS + 1), 3350)]).await?;
        }
        system.drained().await?;

        system.stack.redis.kill().await?;
        std::fs::remove_dir_all(&data)?;
        std::fs::rename(&old, &data)?;
        system.stack.redis.start().await?;
        system.warm().await?;
        assert!(epoch(system, 3350).await? > Some(before), "it was rebuilt");
        system.holds(&model, 3350..=3350).await
    })
}

/// Meanwhile `warm` did not look at Redis, and no consumer wrote to MySQL, so only Kafka has the changes.
#[test]
fn an_older_append_only_file_is_noticed_by_what_kafka_alone_has() -> Result<()> {
    alone(async |system, api| {
        let (stack, mut model) = (&system.stack, Model::default());
        let data = stack.data().join("redis");
        let old = stack.data().join("redis.old");
        stack.redis.terminate().await?;
        let copied = std::process::Command::new("cp").arg("-a").args([&data, &old]).status()?;
        assert!(copied.success());
        stack.redis.start().await?;
        system.warm().await?;
        let before = epoch(system, 3380).await?;
        stack.persister.terminate().await?;
        let relay = stack.persister.another("only-relay", "relay")?;
        relay.start().await?;
        switch_all(&api, &mut model, of_redis(), (1..=USERS).map(|user| (user, 3380))).await?;
        relayed(system, 3380).await?;

        stack.redis.kill().await?;
        std::fs::remove_dir_all(&data)?;
        std::fs::rename(&old, &data)?;
        stack.redis.start().await?;
        let warm = stack.persister.another("only-warm", "warm")?;
        warm.start().await?;
        wait_for("its decision", PATIENCE, async || {
            let answer = api.get(&path(3380, "interactions")).good().await?;
            ensure!(answer["stale"] == true, "it is served, and lacks what was acknowledged: {answer}");
            Ok(warm.log_tail(100).contains("rebuilding from MySQL, since later changes are known").then_some(()))
        })
        .await?;
        stack.persister.start().await?;
        system.warm().await?;
        relay.terminate().await?;
        warm.terminate().await?;
        assert!(epoch(system, 3380).await? > before, "it was rebuilt");
        system.holds(&model, 3380..=3380).await
    })
}
