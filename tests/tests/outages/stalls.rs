//! A store is there and says nothing; what was sent meanwhile comes late.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::json;
use stack::{Service, wait_for};
use tests::{Api, Model, redis};

use crate::{PATIENCE, System, alone, assert_refused, in_time, like_all, path};

/// Stalls a part, and resumes it whatever the test finds.
async fn while_stalled<T>(service: &Service, test: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
    service.pause()?;
    let outcome = test().await;
    service.resume()?;
    outcome
}

#[test]
fn a_stalled_redis_delays_no_request_past_its_deadline() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        like_all(&api, &mut model, [(1, 4000)]).await?;
        system.drained().await?;
        while_stalled(&system.stack.redis, async || {
            for (method, kind) in [(Method::DELETE, "like"), (Method::POST, "views")] {
                assert_refused(&in_time(&api, method, &path(4000, kind), 1).await?.0);
            }
            let (answer, _) = in_time(&api, Method::GET, &path(4000, "interactions"), 1).await?;
            assert_eq!(
                (answer.status.as_u16(), &answer.body["stale"], &answer.body["likes"]),
                (200, &json!(true), &json!(1))
            );
            let (answer, took) = in_time(&api, Method::PUT, &path(4000, "collect"), 1).await?;
            assert_eq!(answer.status, 200, "a favourite needs only MySQL: {answer:?}");
            assert!(took < Duration::from_secs(2), "{took:?}");
            Ok(())
        })
        .await?;
        model.collects.insert((1, 4000), true);
        // What was refused did not happen late either.
        system.warm().await?;
        system.holds(&model, 4000..=4000).await
    })
}

#[test]
fn a_stalled_mysql_delays_no_request_past_its_deadline() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        while_stalled(&system.stack.mariadb, async || {
            assert_refused(&in_time(&api, Method::PUT, &path(4100, "collect"), 1).await?.0);
            assert_refused(&in_time(&api, Method::GET, "/v1/me/likes", 1).await?.0);
            like_all(&api, &mut model, [(1, 4100)]).await?;
            let (answer, _) = in_time(&api, Method::GET, &path(4100, "interactions"), 1).await?;
            assert_eq!(
                (answer.status.as_u16(), &answer.body["collects"], &answer.body["liked"]),
                (200, &json!(null), &json!(true))
            );
            Ok(())
        })
        .await?;
        system.holds(&model, 4100..=4100).await
    })
}

#[test]
fn a_network_that_stalls_delays_no_request_past_its_deadline() -> Result<()> {
    alone(async |system, api| {
        let network = system.stack.network();
        network.redis.hold();
        network.mysql.hold();
        for (method, route) in [
            (Method::PUT, path(4200, "like")),
            (Method::PUT, path(4200, "collect")),
            (Method::POST, path(4200, "views")),
            (Method::GET, path(4200, "interactions")),
            (Method::GET, "/v1/me/likes".to_owned()),
            (Method::GET, "/readyz".to_owned()),
        ] {
            assert_eq!(in_time(&api, method, &route, 1).await?.0.status, 503, "{route}");
        }
        network.release();
        system.warm().await?;
        system.holds(&Model::default(), 4200..=4200).await
    })
}

/// How many calls the store has carried out or refused.
async fn calls(system: &System, kind: &str) -> Result<u64> {
    if kind == "collect" {
        let mysql = sqlx::MySqlPool::connect(&system.stack.mysql_url()).await?;
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
    article: i64,
    kind: &str,
    late: impl AsyncFn(),
) -> Result<()> {
    let path = path(article, kind);
    let said = if kind == "like" { "liked" } else { "collected" };
    let proxy = if kind == "like" { &system.stack.network().redis } else { &system.stack.network().mysql };
    // The relay and the others stop asking, so that the calls that arrive are the late ones.
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
    println!("{} of {USERS_AT_ONCE} stuck", stuck.len());
    let mut arriving = u64::try_from(stuck.len())?;
    for user in 1..=USERS_AT_ONCE {
        wait_for("the opposite to be acknowledged", PATIENCE, async || {
            let (answer, _) = in_time(api, Method::DELETE, &path, user).await?;
            arriving += u64::from(answer.status == 503);
            Ok((answer.status == 200 && answer.body[said] == false).then_some(()))
        })
        .await?;
    }
    late().await;
    let before = calls(system, kind).await?;
    proxy.release();
    wait_for("the late commands", PATIENCE, async || {
        Ok((calls(system, kind).await? >= before + arriving).then_some(()))
    })
    .await?;
    for user in stuck {
        let body = api.get(&format!("/v1/articles/{article}/interactions")).user(user).good().await?;
        assert_eq!(body[said], false, "a late command won over a later acknowledged one: {body}");
    }
    system.stack.persister.start().await?;
    system.holds(&Model::default(), article..=article).await
}

#[test]
fn a_late_like_loses_against_a_later_acknowledged_unlike() -> Result<()> {
    alone(async |system, api| a_late_command_loses(system, &api, 4300, "like", async || ()).await)
}

#[test]
fn a_late_collect_loses_against_a_later_acknowledged_one() -> Result<()> {
    alone(async |system, api| a_late_command_loses(system, &api, 4400, "collect", async || ()).await)
}

#[test]
fn a_late_like_loses_also_when_redis_sees_its_clock_set_back() -> Result<()> {
    alone(async |system, api| {
        let set_back = async || system.stack.redis.set_clock(-60).expect("the clock can be set");
        a_late_command_loses(system, &api, 4500, "like", set_back).await
    })
}

#[test]
fn a_refusal_of_the_second_try_is_no_news_of_the_first() -> Result<()> {
    alone(async |system, _| {
        // One like, and no other for as long as this takes.
        let pod = system.stack.app.another("once", &[("like_user_limit", "1,0.001")])?;
        pod.start().await?;
        let api = Api::new(pod.url().to_owned());
        let (mut model, mut user) = (Model::default(), 0);
        let answer = wait_for("a like whose answer is lost", PATIENCE, async || {
            user += 2;
            // Makes the connections that are then cut.
            api.put(&path(4600, "like")).user(user - 1).good().await?;
            system.stack.network().redis.cut_answers();
            let answer = api.put(&path(4600, "like")).user(user).send().await?;
            system.stack.network().redis.release();
            for user in [user - 1, user] {
                model.likes.insert((user, 4600), true);
            }
            Ok((answer.status != 200).then_some(answer))
        })
        .await?;
        // It was carried out, and sent again, and refused as one too many.
        assert_refused(&answer);
        assert_eq!(answer.body["type"], "/v1/problems/store-unavailable");
        system.warm().await?;
        system.holds(&model, 4600..=4600).await
    })
}

#[test]
fn a_table_that_is_locked_holds_no_statement_for_longer_than_a_request_waits() -> Result<()> {
    alone(async |system, api| {
        system.drained().await?;
        system.stack.persister.terminate().await?;
        let mysql = sqlx::MySqlPool::connect(&system.stack.mysql_owner_url()).await?;
        let mut locker = mysql.acquire().await?;
        sqlx::raw_sql("LOCK TABLES user_like WRITE").execute(&mut *locker).await?;
        // The question itself is one.
        let running = async || -> Result<u32> {
            let row: (String, String) =
                sqlx::query_as("SHOW GLOBAL STATUS LIKE 'Threads_running'").fetch_one(&mysql).await?;
            Ok(row.1.parse()?)
        };
        let asked = (1..=8).map(|user| in_time(&api, Method::GET, "/v1/me/likes", user));
        let (answers, stuck) = tokio::join!(
            futures::future::try_join_all(asked),
            wait_for("statements that wait for the table", PATIENCE, async || {
                Ok((running().await? > 3).then_some(()))
            })
        );
        stuck?;
        for (answer, _) in answers? {
            assert_refused(&answer);
        }
        wait_for("the statements to end, though the table is locked", PATIENCE, async || {
            Ok((running().await? <= 2).then_some(()))
        })
        .await?;
        sqlx::raw_sql("UNLOCK TABLES").execute(&mut *locker).await?;
        assert_eq!(in_time(&api, Method::GET, "/v1/me/likes", 1).await?.0.status, 200);
        Ok(())
    })
}
