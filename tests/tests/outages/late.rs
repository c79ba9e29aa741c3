//! What was sent to a store arrives late, or its answer not at all.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use contract::{Kind, Truth};
use reqwest::Method;
use sqlx::MySqlPool;
use stack::wait_for;
use tests::{Api, Model, id, interactions, members, redis};

use crate::{PATIENCE, System, alone, assert_refused, in_time, kinds, path};

/// How many calls the store that decides has carried out or refused.
async fn calls(system: &System, kind: Kind) -> Result<u64> {
    if kind.truth() == Truth::Mysql {
        let mysql = MySqlPool::connect(&system.stack.mysql_url()).await?;
        let row: (String, String) =
            sqlx::query_as("SHOW GLOBAL STATUS LIKE 'Com_call_procedure'").fetch_one(&mysql).await?;
        return Ok(row.1.parse()?);
    }
    let mut redis = redis(&system.stack.redis_url()).await?;
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(&mut redis).await?;
    let line =
        stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).context("scripts were called")?;
    Ok(line.split(',').next().context("a number")?.parse()?)
}

/// Who has it on in the store that decides.
async fn on(system: &System, kind: Kind, article: i64) -> Result<BTreeSet<i64>> {
    if kind.truth() == Truth::Mysql {
        let mysql = MySqlPool::connect(&system.stack.mysql_url()).await?;
        let pairs = &interactions(&mysql).await?[&kind];
        return Ok(pairs.iter().filter(|pair| pair.1 == article).map(|pair| pair.0).collect());
    }
    members(&mut redis(&system.stack.redis_url()).await?, kind, id(article)).await
}

/// Whether MySQL carries out a statement of a component.
async fn is_at_work(system: &System) -> Result<bool> {
    let mysql = MySqlPool::connect(&system.stack.mysql_owner_url()).await?;
    let busy = "SELECT EXISTS (SELECT 1 FROM information_schema.processlist
                               WHERE user = 'handlers' AND command NOT IN ('Sleep', 'Binlog Dump'))";
    Ok(sqlx::query_scalar(busy).fetch_one(&mysql).await?)
}

const USERS_AT_ONCE: i64 = 16;

/// The statuses of as many users' requests.
async fn all_at_once(api: &Api, method: &Method, path: &str) -> Result<Vec<(i64, u16)>> {
    let requests = (1..=USERS_AT_ONCE).map(|user| async move {
        let (answer, _) = in_time(api, method.clone(), path, user).await?;
        anyhow::Ok((user, answer.status.as_u16()))
    });
    futures::future::try_join_all(requests).await
}

/// PUTs get stuck on their way, the DELETEs after them are acknowledged, then the PUTs arrive.
async fn a_late_command_loses(
    system: &System,
    api: &Api,
    (kind, article): (Kind, i64),
    late: impl AsyncFn(),
) -> Result<()> {
    let path = path(article, kind);
    let network = system.stack.network();
    let proxy = if kind.truth() == Truth::Redis { &network.redis } else { &network.mysql };
    // The relay and the others stop asking, so that the calls that arrive are the late ones.
    system.stack.persister.start().await?;
    system.drained().await?;
    system.stack.persister.terminate().await?;

    // Of many requests at once, each in an instance of the component with a connection of its own, some go by
    // connections that are there and are held, and some by new ones.
    let mut stuck = vec![];
    wait_for("a request that gets stuck", PATIENCE, async || {
        proxy.release();
        for method in [Method::PUT, Method::DELETE] {
            all_at_once(api, &method, &path).await?;
        }
        proxy.hold_existing();
        let answers = all_at_once(api, &Method::PUT, &path).await?;
        stuck = answers.into_iter().filter(|(_, status)| *status == 503).map(|(user, _)| user).collect();
        Ok((!stuck.is_empty()).then_some(()))
    })
    .await?;
    println!("{kind}: {} of {USERS_AT_ONCE} stuck", stuck.len());
    let mut arriving = u64::try_from(stuck.len())?;
    for user in 1..=USERS_AT_ONCE {
        wait_for("the opposite to be acknowledged", PATIENCE, async || {
            let (answer, _) = in_time(api, Method::DELETE, &path, user).await?;
            arriving += u64::from(answer.status == 503);
            Ok((answer.status == 200 && answer.body[kind.on()] == false).then_some(()))
        })
        .await?;
    }
    late().await;
    let before = calls(system, kind).await?;
    proxy.release();
    // Of MySQL's, those that waited for one of their instance's few connections were never sent.
    let arriving = if kind.truth() == Truth::Mysql { 1 } else { arriving };
    wait_for("the late commands", PATIENCE, async || {
        let arrived = calls(system, kind).await? >= before + arriving;
        Ok((arrived && !is_at_work(system).await?).then_some(()))
    })
    .await?;
    let won = on(system, kind, article).await?;
    assert!(won.is_empty(), "late commands won over later acknowledged ones: users {won:?}");
    system.stack.persister.start().await?;
    system.holds(&Model::default(), article..=article).await
}

#[test]
fn a_late_change_loses_against_a_later_acknowledged_one() -> Result<()> {
    alone(async |system, api| {
        for of in kinds(4300) {
            a_late_command_loses(system, &api, of, async || ()).await?;
        }
        Ok(())
    })
}

#[test]
fn a_late_change_loses_also_when_redis_sees_its_clock_set_back() -> Result<()> {
    alone(async |system, api| {
        let set_back = async || system.stack.redis.set_clock(-60).expect("the clock can be set");
        for of in kinds(4500).filter(|(kind, _)| kind.truth() == Truth::Redis) {
            system.stack.redis.set_clock(0)?;
            a_late_command_loses(system, &api, of, set_back).await?;
        }
        Ok(())
    })
}

#[test]
fn a_refused_second_try_proves_nothing_about_the_first() -> Result<()> {
    alone(async |system, _| {
        // One change of a kind, and no other for as long as this takes.
        let pod = system.stack.app.another("once", &[("toggle_user_limit", "1,0.001")])?;
        pod.start().await?;
        let api = Api::new(pod.url().to_owned());
        let mut model = Model::default();
        for (kind, article) in kinds(4600).filter(|(kind, _)| kind.truth() == Truth::Redis) {
            let mut user = 0;
            let answer = wait_for("a change whose answer is lost", PATIENCE, async || {
                user += 2;
                // Makes the connections that are then cut.
                api.switch(kind, article, true).user(user - 1).good().await?;
                system.stack.network().redis.cut_answers();
                let answer = api.switch(kind, article, true).user(user).send().await?;
                system.stack.network().redis.release();
                for user in [user - 1, user] {
                    model.switch(kind, (user, article), true);
                }
                Ok((answer.status != 200).then_some(answer))
            })
            .await?;
            // It was carried out, and sent again, and refused as one too many.
            assert_refused(&answer);
            assert_eq!(answer.body["type"], "/v1/problems/store-unavailable");
        }
        system.warm().await?;
        system.holds(&model, 4600..=4649).await
    })
}
