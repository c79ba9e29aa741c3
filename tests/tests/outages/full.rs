//! Too much, and the end.

use std::{
    collections::btree_map::Entry,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::json;
use stack::wait_for;
use tests::{Api, Model, redis};
use tokio::task::JoinSet;

use crate::{HIGH_WATER, alone, assert_refused, like_all, path};

#[test]
fn past_the_outboxs_high_water_mark_likes_are_refused_and_nothing_is_lost() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        system.drained().await?;
        system.stack.persister.kill().await?;
        like_all(&api, &mut model, (1..=HIGH_WATER).map(|user| (user, 2000))).await?;
        for request in [api.put(&path(2000, "like")).user(HIGH_WATER + 1), api.delete(&path(2000, "like")).user(1)] {
            let refused = request.send().await?;
            assert_refused(&refused);
            assert_eq!(refused.body["type"], "/v1/problems/backlogged");
        }
        let body = api.get(&path(2000, "interactions")).user(1).good().await?;
        assert_eq!((&body["likes"], &body["liked"], &body["stale"]), (&json!(HIGH_WATER), &json!(true), &json!(false)));
        assert_eq!(api.post(&path(2000, "views")).user(1).good().await?["pv"], 1, "a view adds nothing to the outbox");
        api.put(&path(2001, "like")).user(1).good().await.context("another partition is not concerned")?;
        model.likes.insert((1, 2001), true);

        system.stack.persister.start().await?;
        system.drained().await?;
        like_all(&api, &mut model, [(HIGH_WATER + 1, 2000)]).await?;
        system.holds(&model, 2000..=2001).await
    })
}

/// Likes of its own users until told to stop; returns what was acknowledged.
async fn load(api: Api, number: i64, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicU64>) -> Model {
    let mut model = Model::default();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let pair = (1 + number, 2101 + n % 99);
        let on = n / 99 % 2 == 0;
        let like = path(pair.1, "like");
        let request = if on { api.put(&like) } else { api.delete(&like) };
        match request.user(pair.0).send().await {
            Ok(answer) if answer.status == 200 => {
                model.likes.insert(pair, on);
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            // Asked for again below, so that the model knows.
            Ok(_) | Err(_) => drop(model.likes.remove(&pair)),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    model
}

#[test]
fn sigterm_under_load_ends_each_process_in_ten_seconds_and_loses_nothing() -> Result<()> {
    const CLIENTS: i64 = 8;
    alone(async |system, api| {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            clients.spawn(load(api.clone(), number, Arc::clone(&stop), Arc::clone(&acknowledged)));
        }
        for service in [&*system.stack.persister, &*system.stack.app] {
            let before = acknowledged.load(Ordering::Relaxed);
            wait_for("the load to be under way", Duration::from_mins(1), async || {
                Ok((acknowledged.load(Ordering::Relaxed) > before + 200).then_some(()))
            })
            .await?;
            let began = Instant::now();
            let status = service.terminate().await?;
            let took = began.elapsed();
            println!("{} ended {took:.1?} after SIGTERM", service.name());
            assert!(took < Duration::from_secs(10), "{} took {took:?}", service.name());
            assert!(status.is_some_and(|status| status.success()), "{}: {status:?}", service.name());
            service.start().await?;
        }
        stop.store(true, Ordering::Relaxed);
        let mut model = Model::default();
        while let Some(client) = clients.join_next().await {
            model.extend(client?);
        }
        // Now every pair is known.
        for pair in (1..=CLIENTS).flat_map(|user| (2101..2200).map(move |article| (user, article))) {
            if let Entry::Vacant(unknown) = model.likes.entry(pair) {
                let body = api.put(&path(pair.1, "like")).user(pair.0).good().await?;
                assert_eq!(body["liked"], true);
                unknown.insert(true);
            }
        }
        system.holds(&model, 2101..=2199).await
    })
}

#[test]
fn a_full_redis_refuses_changes_over_the_connections_that_there_are() -> Result<()> {
    const LIKES: i64 = 60;
    alone(async |system, api| {
        let mut model = Model::default();
        like_all(&api, &mut model, [(1, 2300)]).await?;
        system.drained().await?;
        system.stack.persister.terminate().await?;
        let mut redis = redis(&system.stack.redis_url()).await?;
        let connections = async |redis: &mut tests::Redis| -> Result<i64> {
            let stats: String = redis::cmd("INFO").arg("stats").query_async(redis).await?;
            let line = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
            Ok(line.context("INFO counts them")?.trim().parse()?)
        };
        let limit = async |redis: &mut tests::Redis, bytes: &str| -> Result<()> {
            Ok(redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).query_async(redis).await?)
        };
        limit(&mut redis, "1").await?;
        let before = connections(&mut redis).await?;
        for user in 2..2 + LIKES {
            assert_refused(&api.put(&path(2300, "like")).user(user).send().await?);
        }
        let made = connections(&mut redis).await? - before;
        assert!(made < LIKES / 4, "{made} connections for {LIKES} likes");
        let body = api.get(&path(2300, "interactions")).user(1).good().await?;
        assert_eq!((&body["likes"], &body["stale"]), (&json!(1), &json!(false)), "what reads goes on");

        limit(&mut redis, "0").await?;
        like_all(&api, &mut model, [(2, 2300)]).await?;
        system.stack.persister.start().await?;
        system.holds(&model, 2300..=2300).await
    })
}
