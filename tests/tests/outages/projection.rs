//! What MySQL decides, in Redis: it follows at once, and whatever is killed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use contract::{Kind, Truth, keys};
use redis::AsyncCommands;
use sqlx::MySqlPool;
use tests::{Model, id, interactions, redis};

use crate::{PATIENCE, alone, kinds, load::Load, lost::epoch, shown, until_switched};

/// How many changes are followed, and how often a look is taken.
const FOLLOWED: usize = 200;
const LOOK: Duration = Duration::from_millis(1);

#[test]
fn what_is_acknowledged_is_in_redis_soon_after() -> Result<()> {
    alone(async |system, api| {
        system.drained().await?;
        let mut redis = redis(&system.stack.redis_url()).await?;
        let mut model = Model::default();
        for (kind, article) in kinds(4900).filter(|(kind, _)| kind.truth() == Truth::Mysql) {
            let mut all = vec![];
            for user in (1..).take(FOLLOWED) {
                api.switch(kind, article, true).user(user).good().await?;
                model.switch(kind, (user, article), true);
                let acknowledged = Instant::now();
                while redis.get::<_, Option<i64>>(keys::count(kind, id(article))).await?.unwrap_or_default() < user {
                    anyhow::ensure!(acknowledged.elapsed() < PATIENCE, "{kind} of user {user} is not in Redis");
                    tokio::time::sleep(LOOK).await;
                }
                all.push(acknowledged.elapsed());
            }
            all.sort();
            let (p50, p99) = (all[FOLLOWED / 2], all[FOLLOWED * 99 / 100]);
            println!("{FOLLOWED} of {kind}, acknowledged to counted by Redis: p50 {p50:.1?}, p99 {p99:.1?}");
        }
        system.holds(&model, 4900..=4949).await
    })
}

#[test]
fn a_store_or_the_relay_that_is_killed_right_after_an_acknowledgement_loses_nothing() -> Result<()> {
    alone(async |system, api| {
        let stack = &system.stack;
        let mut model = Model::default();
        for (victim, first) in [&*stack.redis, &*stack.persister, &*stack.mariadb].into_iter().zip([5000, 5020, 5040]) {
            for (kind, article) in kinds(first).filter(|(kind, _)| kind.truth() == Truth::Mysql) {
                for (user, on) in [(1, true), (2, true), (1, false)] {
                    // A connection to a server that was killed before is given up by one refusal.
                    until_switched(&api, kind, (user, article), on).await?;
                    victim.kill().await?;
                    model.switch(kind, (user, article), on);
                    stack.mariadb.start().await?;
                    let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
                    let is_row = interactions(&mysql).await?[&kind].contains(&(user, article));
                    assert_eq!(is_row, on, "{kind} of user {user}, {} killed", victim.name());
                    victim.start().await?;
                    shown(&api, &model, (user, article)).await?;
                }
            }
        }
        system.holds(&model, 5000..=5059).await
    })
}

#[test]
fn a_rebuild_while_changes_go_on_ends_with_an_equal_projection() -> Result<()> {
    alone(async |system, api| {
        let articles = 5100..=5199;
        let before = epoch(system, 5100).await?.context("it is warm")?;
        let load = Load::start(&api, Kind::of(Truth::Mysql), &articles);
        for _ in 0..2 {
            load.goes_on(200).await?;
            let () = redis::cmd("FLUSHALL").query_async(&mut redis(&system.stack.redis_url()).await?).await?;
            load.goes_on(200).await?;
            system.warm().await?;
        }
        load.goes_on(200).await?;
        let model = load.stop(&api).await?;
        system.holds(&model, articles).await?;
        assert!(epoch(system, 5100).await? > Some(before), "it was rebuilt");
        Ok(())
    })
}
