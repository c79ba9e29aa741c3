//! Redis was killed and is back, with all that it had.

use std::time::Duration;

use anyhow::Result;
use contract::{Truth, keys};
use redis::AsyncCommands;
use reqwest::Method;
use tests::{Model, partition_of, redis};

use crate::{
    alone, assert_refused, counters, in_time, kinds, lost::epoch, of_redis, path, relayed, shown, switch_all,
    until_switched,
};

#[test]
fn redis_killed_and_restarted_is_warm_within_seconds_and_has_lost_nothing() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        let mut marker = redis(&system.stack.redis_url()).await?;
        let key = keys::warm(partition_of(1500));
        let epoch: u64 = marker.hget(&key, "epoch").await?;
        // What was not relayed yet, too.
        switch_all(&api, &mut model, of_redis(), (1..=200).map(|user| (user, 1500))).await?;
        system.stack.redis.kill().await?;
        system.stack.redis.start().await?;
        let took = system.warm().await?;
        println!("warm {took:.1?} after Redis answered");
        // "A couple of seconds", and as much again for a busy machine.
        assert!(took < Duration::from_secs(5), "{took:?}");
        let mut marker = redis(&system.stack.redis_url()).await?;
        assert_eq!(marker.hget::<_, _, u64>(&key, "epoch").await?, epoch, "nothing was rebuilt");
        for (kind, first_user) in kinds(200) {
            switch_all(&api, &mut model, kind, (1..=10).map(|n| (10 * first_user + n, 1500))).await?;
        }
        system.holds(&model, 1500..=1500).await
    })
}

#[test]
fn persister_and_redis_down_a_restarted_redis_stays_fenced_until_the_persister_is_back() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        for (kind, article) in kinds(1600) {
            switch_all(&api, &mut model, kind, [(1, article)]).await?;
            shown(&api, &model, (1, article)).await?;
        }
        system.drained().await?;
        system.stack.persister.kill().await?;
        system.stack.redis.kill().await?;
        system.stack.redis.start().await?;
        assert_refused(&in_time(&api, Method::POST, &path(1600, "views"), 2).await?.0);
        for (kind, article) in kinds(1600) {
            let (answer, _) = in_time(&api, Method::PUT, &path(article, kind), 2).await?;
            if kind.truth() == Truth::Redis {
                assert_refused(&answer);
            } else {
                answer.says(kind, article, true)?;
                model.switch(kind, (2, article), true);
            }
            let body = api.get(&path(article, "interactions")).user(1).good().await?;
            assert_eq!(body, counters(&model, (1, article), true));
        }
        system.stack.persister.start().await?;
        for (kind, article) in kinds(1600) {
            until_switched(&api, kind, (2, article), true).await?;
            model.switch(kind, (2, article), true);
        }
        system.holds(&model, 1600..=1649).await
    })
}

/// Kafka tells whether anything was lost: nobody waits until MySQL has heard of it, which takes as long as consumers lag.
#[test]
fn a_restarted_redis_is_warm_before_consumers_have_caught_up() -> Result<()> {
    alone(async |system, api| {
        let (stack, mut model) = (&system.stack, Model::default());
        system.drained().await?;
        stack.persister.terminate().await?;
        let (relay, warm) =
            (stack.persister.another("only-relay", "relay")?, stack.persister.another("only-warm", "warm")?);
        relay.start().await?;
        warm.start().await?;
        switch_all(&api, &mut model, of_redis(), (1..=200).map(|user| (user, 1700))).await?;
        relayed(system, 1700).await?;
        let mysql = sqlx::MySqlPool::connect(&stack.mysql_url()).await?;
        let sql = "SELECT COUNT(*) FROM interaction WHERE article_id = 1700";
        assert_eq!(sqlx::query_scalar::<_, i64>(sql).fetch_one(&mysql).await?, 0, "nobody consumes");
        let before = epoch(system, 1700).await?;
        stack.redis.kill().await?;
        stack.redis.start().await?;
        let took = system.warm().await?;
        println!("warm {took:.1?} after Redis answered, without a consumer");
        assert_eq!(epoch(system, 1700).await?, before, "nothing was rebuilt");
        relay.terminate().await?;
        warm.terminate().await?;
        stack.persister.start().await?;
        system.holds(&model, 1700..=1700).await
    })
}
