//! Two relays, of which one is killed, or stands still and goes on.

use anyhow::Result;
use contract::{
    Kind, Truth, keys,
    scripts::{Call, Project},
};
use redis::{AsyncCommands, Value};
use sqlx::MySqlPool;
use stack::wait_for;
use tests::{Model, id, members, partition_of, redis};

use crate::{PATIENCE, alone, kinds, load::Load, until_switched};

#[test]
fn two_relays_side_by_side_of_which_one_is_killed_end_with_equal_stores() -> Result<()> {
    alone(async |system, api| {
        let articles = 5200..=5299;
        let first = &*system.stack.persister;
        let second = system.stack.persister.another("second", "relay")?;
        second.start().await?;
        let load = Load::start(&api, Kind::ALL.iter().copied(), &articles);
        for victim in [first, &second, first] {
            load.goes_on(300).await?;
            victim.kill().await?;
            load.goes_on(300).await?;
            victim.start().await?;
        }
        let model = load.stop(&api).await?;
        system.holds(&model, articles).await?;
        second.terminate().await.map(drop)
    })
}

/// The calls of project.lua with that token that Redis has taken since its log was emptied.
async fn projected(redis: &mut tests::Redis, token: i64) -> Result<bool> {
    let entries: Vec<Vec<Value>> = redis::cmd("SLOWLOG").arg("GET").arg(-1).query_async(redis).await?;
    let arguments =
        entries.into_iter().filter_map(|entry| redis::from_redis_value::<Vec<String>>(entry.into_iter().nth(3)?).ok());
    let of_token = |call: Vec<String>| {
        let keys: usize = call.get(2)?.parse().ok()?;
        // After the keys: the server's name, then the token.
        (call[1] == Project::SCRIPT.sha && *call.get(3 + keys + 1)? == token.to_string()).then_some(())
    };
    Ok(arguments.into_iter().any(|call| of_token(call).is_some()))
}

#[test]
fn a_relay_that_stood_still_overwrites_nothing_of_its_successors() -> Result<()> {
    alone(async |system, api| {
        let (stack, mut redis) = (&system.stack, redis(&system.stack.redis_url()).await?);
        let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
        let latest = async |article: i64| -> Result<i64> {
            let sql = "SELECT token FROM projection WHERE p = ?";
            Ok(sqlx::query_scalar(sql).bind(partition_of(article).get()).fetch_one(&mysql).await?)
        };
        let mut model = Model::default();
        for (kind, article) in kinds(5300).filter(|(kind, _)| kind.truth() == Truth::Mysql) {
            // The one relay projects what it is asked to.
            api.switch(kind, article, true).user(1).good().await?;
            api.switch(kind, article, false).user(1).good().await?;
            system.drained().await?;
            let token = latest(article).await?;
            // Its next call is on its way when it is stopped.
            stack.network().redis.hold_existing();
            until_switched(&api, kind, (1, article), true).await?;
            wait_for("a call on its way", PATIENCE, async || {
                Ok(stack.network().redis.holds_back(Project::SCRIPT.sha.as_bytes()).then_some(()))
            })
            .await?;
            stack.persister.pause()?;

            let successor = stack.persister.another("successor", "run")?;
            successor.start().await?;
            wait_for("a successor", PATIENCE, async || Ok((latest(article).await? > token).then_some(()))).await?;
            until_switched(&api, kind, (1, article), false).await?;
            wait_for("the successor's work", PATIENCE, async || {
                let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox").fetch_one(&mysql).await?;
                Ok((left == 0).then_some(()))
            })
            .await?;
            assert!(members(&mut redis, kind, id(article)).await?.is_empty(), "the later state");

            for command in
                ["CONFIG SET slowlog-log-slower-than 0", "CONFIG SET slowlog-max-len 100000", "SLOWLOG RESET"]
            {
                let mut words = command.split(' ');
                let mut set = redis::cmd(words.next().unwrap_or_default());
                let () = set.arg(words.collect::<Vec<_>>()).query_async(&mut redis).await?;
            }
            stack.network().redis.release();
            stack.persister.resume()?;
            wait_for("the late call", PATIENCE, async || Ok(projected(&mut redis, token).await?.then_some(()))).await?;
            assert!(members(&mut redis, kind, id(article)).await?.is_empty(), "the earlier state is back");
            assert!(!redis.exists::<_, bool>(keys::count(kind, id(article))).await?);
            let () =
                redis::cmd("CONFIG").arg("SET").arg("slowlog-log-slower-than").arg(-1).query_async(&mut redis).await?;

            // The first takes over again.
            successor.terminate().await?;
            model.switch(kind, (1, article), false);
            until_switched(&api, kind, (2, article), true).await?;
            model.switch(kind, (2, article), true);
        }
        system.holds(&model, 5300..=5349).await
    })
}
