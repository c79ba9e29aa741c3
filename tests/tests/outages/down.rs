//! A part is not there.

use std::time::{Duration, Instant};

use anyhow::Result;
use redis::AsyncCommands;
use reqwest::Method;
use serde_json::json;
use tests::{Api, Model, health_routes, partition_of, redis};

use crate::{PATIENCE, System, alone, assert_refused, in_time, like_all, path, until};

/// Five minutes' worth at eight likes a second.
const FIVE_MINUTES: i64 = 2400;

/// The entries of all outboxes.
async fn waiting(system: &System) -> Result<i64> {
    let mut redis = redis(&system.stack.redis_url()).await?;
    let mut waiting = 0;
    for partition in contract::Partition::all() {
        waiting += redis.xlen::<_, i64>(contract::keys::outbox(partition)).await?;
    }
    Ok(waiting)
}

async fn likes_go_on_and_arrive_later(system: &System, api: &Api, first: i64, count: i64) -> Result<Model> {
    let mut model = Model::default();
    like_all(api, &mut model, (0..count).map(|n| (1 + n / 100, first + n % 100))).await?;
    assert_eq!(waiting(system).await?, count, "each waits in its outbox");
    Ok(model)
}

#[test]
fn kafka_down_likes_and_collects_go_on_and_nothing_is_lost() -> Result<()> {
    alone(async |system, api| {
        system.drained().await?;
        system.stack.kafka.kill().await?;
        let mut model = likes_go_on_and_arrive_later(system, &api, 1000, FIVE_MINUTES).await?;
        api.put(&path(1000, "collect")).user(1).good().await?;
        model.collects.insert((1, 1000), true);
        let body = api.get(&path(1000, "interactions")).user(1).good().await?;
        assert_eq!((&body["liked"], &body["collected"], &body["stale"]), (&json!(true), &json!(true), &json!(false)));

        system.stack.kafka.start().await?;
        let began = Instant::now();
        system.holds(&model, 1000..=1099).await?;
        println!("{FIVE_MINUTES} likes arrived {:.1?} after Kafka was back", began.elapsed());
        Ok(())
    })
}

#[test]
fn persister_down_likes_go_on_and_nothing_is_lost() -> Result<()> {
    alone(async |system, api| {
        system.drained().await?;
        system.stack.persister.kill().await?;
        let model = likes_go_on_and_arrive_later(system, &api, 1100, 300).await?;
        system.stack.persister.start().await?;
        system.holds(&model, 1100..=1199).await
    })
}

#[test]
fn while_nothing_was_ranked_the_ranking_is_empty_and_says_so() -> Result<()> {
    alone(async |system, api| {
        system.stack.persister.kill().await?;
        let mysql = sqlx::MySqlPool::connect(&system.stack.mysql_owner_url()).await?;
        for table in ["DELETE FROM top_liked", "DELETE FROM trends"] {
            sqlx::query(table).execute(&mysql).await?;
        }
        let top = api.get("/v1/top/likes?window=day").good().await?;
        assert_eq!(top, json!({"window": "day", "as_of": null, "items": []}));
        // Without a checkpoint it counts what is in the log.
        system.stack.persister.start().await?;
        // More than most articles of other tests have, of which there are more than a ranking's hundred.
        like_all(&api, &mut Model::default(), (1..=60).map(|user| (user, 1700))).await?;
        stack::wait_for("a ranking with the article", PATIENCE, async || {
            let top = api.get("/v1/top/likes?limit=100").good().await?;
            let items = top["items"]
                .as_array()
                .is_some_and(|items| items.iter().any(|item| *item == json!({"article_id": "1700", "likes": 60})));
            Ok((items && top["as_of"].is_string()).then_some(()))
        })
        .await
    })
}

#[test]
fn mysql_down_likes_and_views_go_on_and_collects_are_refused() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        system.stack.mariadb.kill().await?;
        like_all(&api, &mut model, (1..=50).map(|user| (user, 1200))).await?;
        let body = api.post(&path(1200, "views")).user(1).good().await?;
        assert_eq!(body["pv"], 1);
        let body = api.get(&path(1200, "interactions")).user(1).good().await?;
        assert_eq!((&body["likes"], &body["liked"], &body["pv"]), (&json!(50), &json!(true), &json!(1)));
        assert_eq!(
            (&body["collects"], &body["collected"], &body["stale"]),
            (&json!(null), &json!(null), &json!(false))
        );
        for method in [Method::PUT, Method::DELETE] {
            assert_refused(&in_time(&api, method, &path(1200, "collect"), 1).await?.0);
        }
        let totals = api.get("/v1/interactions/totals?article_ids=1200,1201").good().await?;
        assert_eq!(totals, json!({"articles": 2, "likes": 50, "collects": null, "pv": 1, "reads": 0, "stale": false}));
        for list in ["/v1/me/likes", "/v1/me/collects", "/v1/articles/1200/likers", "/v1/top/likes"] {
            assert_refused(&in_time(&api, Method::GET, list, 1).await?.0);
        }
        let ready = in_time(&api, Method::GET, "/readyz", 1).await?.0;
        assert_eq!(
            (ready.status.as_u16(), &ready.body["redis"], &ready.body["mysql"]),
            (503, &json!("ok"), &json!("unavailable"))
        );

        system.stack.mariadb.start().await?;
        until(&api, Method::PUT, &path(1200, "collect"), 1, 200).await?;
        model.collects.insert((1, 1200), true);
        system.holds(&model, 1200..=1200).await
    })
}

#[test]
fn redis_down_collects_go_on_and_queries_are_stale() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        like_all(&api, &mut model, (1..=20).map(|user| (user, 1300))).await?;
        system.drained().await?;
        system.stack.redis.kill().await?;
        for (method, kind) in [(Method::PUT, "like"), (Method::DELETE, "like"), (Method::POST, "views")] {
            assert_refused(&in_time(&api, method, &path(1300, kind), 1).await?.0);
        }
        api.put(&path(1300, "collect")).user(1).good().await?;
        api.put(&path(1300, "collect")).user(2).good().await?;
        api.delete(&path(1300, "collect")).user(2).good().await?;
        model.collects.extend([((1, 1300), true), ((2, 1300), false)]);
        let body = api.get(&path(1300, "interactions")).user(1).good().await?;
        assert_eq!((&body["likes"], &body["liked"], &body["stale"]), (&json!(20), &json!(true), &json!(true)));
        assert_eq!((&body["collects"], &body["collected"]), (&json!(1), &json!(true)));
        let batch = api.get("/v1/interactions?article_ids=1300,1301").good().await?;
        assert!(
            batch["items"].as_array().is_some_and(|items| items.iter().all(|item| item["stale"] == true)),
            "{batch}"
        );
        let totals = api.get("/v1/interactions/totals?article_ids=1300,1301").good().await?;
        assert_eq!((&totals["likes"], &totals["collects"], &totals["stale"]), (&json!(20), &json!(1), &json!(true)));
        let likers = api.get("/v1/articles/1300/likers?limit=100").good().await?;
        assert_eq!(likers["items"].as_array().map(Vec::len), Some(20));

        system.stack.redis.start().await?;
        system.warm().await?;
        let body = api.get(&path(1300, "interactions")).user(1).good().await?;
        assert_eq!((&body["likes"], &body["stale"]), (&json!(20), &json!(false)));
        system.holds(&model, 1300..=1300).await
    })
}

#[test]
fn both_stores_down_every_route_says_so() -> Result<()> {
    alone(async |system, api| {
        tokio::try_join!(system.stack.redis.kill(), system.stack.mariadb.kill())?;
        for (method, route) in [
            (Method::PUT, path(1400, "like")),
            (Method::PUT, path(1400, "collect")),
            (Method::POST, path(1400, "views")),
            (Method::GET, path(1400, "interactions")),
            (Method::GET, "/v1/interactions?article_ids=1400".to_owned()),
            (Method::GET, "/v1/interactions/totals?article_ids=1400".to_owned()),
            (Method::GET, "/v1/top/likes".to_owned()),
            (Method::GET, "/v1/me/likes".to_owned()),
        ] {
            assert_refused(&in_time(&api, method, &route, 1).await?.0);
        }
        for route in health_routes() {
            assert_eq!(api.get(route).send().await?.status, 200, "{route}");
        }
        assert_eq!(api.get("/v1/problems/store-unavailable").send().await?.status, 200, "where their type leads");
        Ok(())
    })
}

#[test]
fn redis_killed_and_restarted_is_warm_within_seconds_and_has_lost_nothing() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        let mut marker = redis(&system.stack.redis_url()).await?;
        let key = contract::keys::warm(partition_of(1500));
        let epoch: u64 = marker.hget(&key, "epoch").await?;
        // What was not relayed yet, too.
        like_all(&api, &mut model, (1..=200).map(|user| (user, 1500))).await?;
        system.stack.redis.kill().await?;
        system.stack.redis.start().await?;
        let took = system.warm().await?;
        println!("warm {took:.1?} after Redis answered");
        // "A couple of seconds", and as much again for a busy machine.
        assert!(took < Duration::from_secs(5), "{took:?}");
        let mut marker = redis(&system.stack.redis_url()).await?;
        assert_eq!(marker.hget::<_, _, u64>(&key, "epoch").await?, epoch, "nothing was rebuilt");
        like_all(&api, &mut model, (201..=210).map(|user| (user, 1500))).await?;
        system.holds(&model, 1500..=1500).await
    })
}

#[test]
fn persister_and_redis_down_a_restarted_redis_stays_fenced_until_the_persister_is_back() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        like_all(&api, &mut model, [(1, 1600)]).await?;
        system.drained().await?;
        system.stack.persister.kill().await?;
        system.stack.redis.kill().await?;
        system.stack.redis.start().await?;
        assert_refused(&in_time(&api, Method::PUT, &path(1600, "like"), 2).await?.0);
        assert_refused(&in_time(&api, Method::POST, &path(1600, "views"), 2).await?.0);
        let body = api.get(&path(1600, "interactions")).user(1).good().await?;
        assert_eq!((&body["likes"], &body["liked"], &body["stale"]), (&json!(1), &json!(true), &json!(true)));
        system.stack.persister.start().await?;
        stack::wait_for("a warm partition", PATIENCE, async || {
            Ok((api.put(&path(1600, "like")).user(2).send().await?.status == 200).then_some(()))
        })
        .await?;
        model.likes.insert((2, 1600), true);
        system.holds(&model, 1600..=1600).await
    })
}
