//! Redis loses its data.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use contract::Partition;
use redis::AsyncCommands;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stack::{Proxy, Redis, wait_for};
use tests::{Api, Model, partition_of, redis, rows};

use crate::{PATIENCE, System, alone, assert_refused, in_time, like_all, path, until};

const LIKERS: i64 = 40;

/// Likes, a favourite, views and a view token; all of it saved in MySQL.
async fn fill(system: &System, api: &Api, article: i64) -> Result<(Model, Value)> {
    let mut model = Model::default();
    like_all(api, &mut model, (1..=LIKERS).map(|user| (user, article))).await?;
    api.delete(&path(article, "like")).user(1).good().await?;
    model.likes.insert((1, article), false);
    api.put(&path(article, "collect")).user(1).good().await?;
    model.collects.insert((1, article), true);
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

async fn epoch(system: &System, article: i64) -> Result<Option<u64>> {
    let mut redis = redis(&system.stack.redis_url()).await?;
    Ok(redis.hget(contract::keys::warm(partition_of(article)), "epoch").await?)
}

/// After a rebuild all is there as before, in a new epoch.
async fn all_is_back(
    system: &System,
    api: &Api,
    article: i64,
    mut model: Model,
    token: &Value,
    epoch_before: u64,
) -> Result<()> {
    let body = api.get(&path(article, "interactions")).user(2).good().await?;
    let expected = json!({
        "article_id": article.to_string(), "likes": LIKERS - 1, "collects": 1, "pv": 5, "uv": 3, "reads": 0,
        "liked": true, "collected": false, "stale": false
    });
    assert_eq!(body, expected);
    assert!(epoch(system, article).await? > Some(epoch_before), "a rebuild begins a new epoch");
    let read = api.post(&path(article, "reads")).body(json!({"view_token": token}).to_string()).send().await?;
    assert_eq!(
        (read.status, &read.body["type"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("/v1/problems/view-token-expired")),
        "nobody knows whether a token from before has counted"
    );
    // A visitor who was counted is known again, a change goes on from where it was.
    let view = api.post(&path(article, "views")).user(3).good().await?;
    assert_eq!((&view["pv"], &view["uv"]), (&json!(6), &json!(3)));
    let body = api.delete(&path(article, "like")).user(2).good().await?;
    assert_eq!((&body["liked"], &body["likes"]), (&json!(false), &json!(LIKERS - 2)));
    model.likes.insert((2, article), false);
    system.holds(&model, article..=article).await
}

#[test]
fn a_flushed_redis_is_fenced_at_once_and_rebuilt() -> Result<()> {
    alone(async |system, api| {
        let (model, token) = fill(system, &api, 3000).await?;
        let before = epoch(system, 3000).await?.context("it is warm")?;
        let mut redis = redis(&system.stack.redis_url()).await?;
        system.stack.persister.terminate().await?;
        // On connections that know the server's run id, which a flush does not change.
        api.put(&path(3000, "like")).user(2).good().await?;
        let () = redis::cmd("FLUSHALL").query_async(&mut redis).await?;
        for (method, kind) in [(Method::PUT, "like"), (Method::DELETE, "like"), (Method::POST, "views")] {
            assert_refused(&in_time(&api, method, &path(3000, kind), 2).await?.0);
        }
        let body = api.get(&path(3000, "interactions")).user(2).good().await?;
        assert_eq!((&body["likes"], &body["liked"], &body["stale"]), (&json!(LIKERS - 1), &json!(true), &json!(true)));
        assert_eq!((&body["pv"], &body["uv"]), (&json!(5), &json!(3)));

        system.stack.persister.start().await?;
        system.warm().await?;
        all_is_back(system, &api, 3000, model, &token, before).await
    })
}

#[test]
fn during_a_flush_and_its_rebuild_an_answer_is_right_or_a_refusal() -> Result<()> {
    alone(async |system, api| {
        let (model, token) = fill(system, &api, 3100).await?;
        let before = epoch(system, 3100).await?.context("it is warm")?;
        let mut redis = redis(&system.stack.redis_url()).await?;
        let () = redis::cmd("FLUSHALL").query_async(&mut redis).await?;
        let (mut refused, mut stale) = (0, 0);
        wait_for("the rebuild", PATIENCE, async || {
            let body = api.get(&path(3100, "interactions")).user(2).good().await?;
            assert_eq!((&body["likes"], &body["liked"]), (&json!(LIKERS - 1), &json!(true)), "{body}");
            stale += i64::from(body["stale"] == true);
            let like = api.put(&path(3100, "like")).user(2).send().await?;
            if like.status == 200 {
                assert_eq!(like.body["likes"], LIKERS - 1, "{like:?}");
                return Ok(epoch(system, 3100).await?.is_some_and(|epoch| epoch > before).then_some(()));
            }
            assert_refused(&like);
            refused += 1;
            Ok(None)
        })
        .await?;
        println!("{stale} stale queries and {refused} refused likes during the rebuild");
        system.warm().await?;
        all_is_back(system, &api, 3100, model, &token, before).await
    })
}

#[test]
fn a_new_empty_redis_is_rebuilt_before_it_serves() -> Result<()> {
    alone(async |system, api| {
        let (model, token) = fill(system, &api, 3200).await?;
        let before = epoch(system, 3200).await?.context("it is warm")?;
        system.stack.redis.kill().await?;
        let data = system.stack.data().join("redis");
        std::fs::remove_dir_all(&data)?;
        std::fs::create_dir(&data)?;
        system.stack.redis.start().await?;
        until(&api, Method::PUT, &path(3200, "like"), 2, 200).await?;
        system.warm().await?;
        all_is_back(system, &api, 3200, model, &token, before).await
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
        let (model, token) = fill(system, &api, 3300).await?;
        let before = epoch(system, 3300).await?.context("it is warm")?;

        system.stack.redis.kill().await?;
        std::fs::remove_dir_all(&data)?;
        std::fs::rename(&old, &data)?;
        system.stack.redis.start().await?;
        let like = until(&api, Method::PUT, &path(3300, "like"), 2, 200).await?;
        assert_eq!(like.body["likes"], LIKERS - 1, "never the older number");
        system.warm().await?;
        all_is_back(system, &api, 3300, model, &token, before).await
    })
}

/// A replica of the system's Redis that has all it has now, and its way to the master.
async fn replica(system: &System, name: &str) -> Result<(Redis, Proxy)> {
    let folder = system.stack.data().join(name);
    std::fs::create_dir_all(&folder)?;
    let replica = Redis::start_in(&folder).await?;
    let way = Proxy::to(system.stack.redis.port())?;
    let mut connection = redis(&replica.url()).await?;
    let () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(way.port()).query_async(&mut connection).await?;
    wait_for("the replica to have it all", PATIENCE, async || {
        let info: String = redis::cmd("INFO").arg("replication").query_async(&mut connection).await?;
        Ok((info.contains("master_link_status:up") && info.contains("master_sync_in_progress:0")).then_some(()))
    })
    .await?;
    // Its first replica gives a master another replication id, and so another name; a moment later it serves under it.
    let mut master = redis(&system.stack.redis_url()).await?;
    let info: String = redis::cmd("INFO").arg("replication").query_async(&mut master).await?;
    let history = info.lines().find_map(|line| line.strip_prefix("master_replid:")).context("INFO names it")?;
    wait_for("the master to serve under its new name", PATIENCE, async || {
        for partition in Partition::all() {
            let marker: Option<String> = master.hget(contract::keys::warm(partition), "run_id").await?;
            if !marker.is_some_and(|name| name.ends_with(history.trim())) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    Ok((replica, way))
}

/// The master is gone, and its address is the replica's.
async fn promote(system: &System, replica: &Redis) -> Result<()> {
    system.stack.redis.kill().await?;
    let mut connection = redis(&replica.url()).await?;
    let () = redis::cmd("REPLICAOF").arg("NO").arg("ONE").query_async(&mut connection).await?;
    system.stack.network().redis.lead_to(replica.port());
    Ok(())
}

/// The old master has the address again, with data from before.
async fn fail_back(system: &System, replica: &Redis) -> Result<()> {
    replica.kill().await?;
    system.stack.network().redis.lead_to(system.stack.redis.port());
    system.stack.redis.start().await?;
    system.warm().await.map(drop)
}

#[test]
fn a_promoted_replica_that_lagged_is_fenced_and_rebuilt() -> Result<()> {
    alone(async |system, api| {
        let (replica, way) = replica(system, "lagging").await?;
        // From here on it hears nothing: what follows is acknowledged without it.
        way.hold();
        let (mut model, token) = fill(system, &api, 3400).await?;
        let before = epoch(system, 3400).await?.context("it is warm")?;
        let mut connection = redis(&replica.url()).await?;
        let likes: Option<i64> = connection.get(contract::keys::likes(tests::id(3400))).await?;
        assert_eq!(likes, None, "it is meant to lag");

        promote(system, &replica).await?;
        let like = until(&api, Method::PUT, &path(3400, "like"), 2, 200).await?;
        assert_eq!(like.body["likes"], LIKERS - 1, "never the older number");
        let epoch: Option<u64> = connection.hget(contract::keys::warm(partition_of(3400)), "epoch").await?;
        assert!(epoch > Some(before), "it was rebuilt");
        let read = api.post(&path(3400, "reads")).body(json!({"view_token": token}).to_string()).send().await?;
        assert_eq!(read.status, StatusCode::UNPROCESSABLE_ENTITY, "{read:?}");

        api.delete(&path(3400, "like")).user(2).good().await?;
        model.likes.insert((2, 3400), false);
        system.arrived(2, 3400, false).await?;
        fail_back(system, &replica).await?;
        system.holds(&model, 3400..=3400).await
    })
}

#[test]
fn a_promoted_replica_that_had_all_is_warm_in_the_same_epoch() -> Result<()> {
    alone(async |system, api| {
        let (mut model, _) = fill(system, &api, 3500).await?;
        let before = epoch(system, 3500).await?;
        let (replica, _way) = replica(system, "whole").await?;
        promote(system, &replica).await?;
        let like = until(&api, Method::PUT, &path(3500, "like"), 1, 200).await?;
        assert_eq!(like.body["likes"], LIKERS);
        model.likes.insert((1, 3500), true);
        let mut connection = redis(&replica.url()).await?;
        let epoch: Option<u64> = connection.hget(contract::keys::warm(partition_of(3500)), "epoch").await?;
        assert_eq!(epoch, before, "nothing was lost, so nothing was rebuilt");

        system.arrived(1, 3500, true).await?;
        fail_back(system, &replica).await?;
        system.holds(&model, 3500..=3500).await
    })
}

#[test]
fn a_server_that_only_gets_another_name_is_not_rebuilt_whatever_is_liked_meanwhile() -> Result<()> {
    alone(async |system, api| {
        // One that never had a replica: its first gives it another name.
        system.stack.redis.restart().await?;
        system.warm().await?;
        let mysql = sqlx::MySqlPool::connect(&system.stack.mysql_url()).await?;
        let rebuilds =
            async || -> Result<i64> { Ok(sqlx::query_scalar("SELECT COUNT(*) FROM rebuild").fetch_one(&mysql).await?) };
        let before = rebuilds().await?;
        let done = AtomicBool::new(false);
        // Articles of many partitions; a like that is refused is tried again.
        let client = async |number: i64| -> Result<Model> {
            let mut model = Model::default();
            for turn in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let (user, article) = (1 + number, 3600 + turn % 100);
                until(
                    &api,
                    if turn / 100 % 2 == 0 { Method::PUT } else { Method::DELETE },
                    &path(article, "like"),
                    user,
                    200,
                )
                .await?;
                model.likes.insert((user, article), turn / 100 % 2 == 0);
            }
            Ok(model)
        };
        let renamed = async {
            let renamed = replica(system, "renaming").await;
            done.store(true, Ordering::Relaxed);
            renamed
        };
        let (models, renamed) = tokio::join!(futures::future::try_join_all((0..8).map(client)), renamed);
        let (replica, _way) = renamed?;
        let mut model = Model::default();
        models?.into_iter().for_each(|of_client| model.extend(of_client));
        assert_eq!(rebuilds().await?, before);
        system.holds(&model, 3600..=3699).await?;
        replica.kill().await
    })
}
