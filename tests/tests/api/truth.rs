//! What a kind promises by which store decides it.

use std::collections::BTreeSet;

use anyhow::Result;
use contract::{Kind, Truth, keys};
use redis::AsyncCommands;
use sqlx::MySqlPool;
use stack::wait_for;
use tests::{id, members};

use crate::{
    FOLLOWS, counters, kinds, on_system,
    pod::{NO_REDIS, pod},
    shown, switched,
};

/// How many rows of the kind are on for the article, and its count.
async fn in_mysql(mysql: &MySqlPool, kind: Kind, article: i64) -> Result<(i64, i64)> {
    let sql = "SELECT (SELECT COUNT(*) FROM interaction WHERE article_id = ? AND kind = ? AND status = 1),
                      CAST(COALESCE((SELECT count FROM interaction_count WHERE article_id = ? AND kind = ?), 0) AS SIGNED)";
    let query = sqlx::query_as(sql).bind(article).bind(kind.code()).bind(article).bind(kind.code());
    Ok(query.fetch_one(mysql).await?)
}

/// The kinds that MySQL decides.
fn of_mysql(first_article: i64) -> impl Iterator<Item = (Kind, i64)> {
    kinds(first_article).filter(|(kind, _)| kind.truth() == Truth::Mysql)
}

#[test]
fn what_mysql_decides_is_a_row_when_it_is_acknowledged() -> Result<()> {
    on_system(async |api, stack| {
        let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
        for (kind, article) in of_mysql(2000) {
            for (on, count) in [(true, 1), (true, 1), (false, 0), (false, 0)] {
                let body = api.switch(kind, article, on).user(1).good().await?;
                assert_eq!(in_mysql(&mysql, kind, article).await?, (count, count));
                assert_eq!(body, switched(kind, article, on, count));
            }
        }
        Ok(())
    })
}

#[test]
fn what_mysql_decides_is_soon_in_redis_too() -> Result<()> {
    on_system(async |api, stack| {
        let mut redis = tests::redis(&stack.redis_url()).await?;
        for (kind, article) in of_mysql(2010) {
            for user in 1..=3 {
                api.switch(kind, article, true).user(user).good().await?;
            }
            api.switch(kind, article, false).user(2).good().await?;
            // Not by the count, which was 2 before.
            wait_for("who has it on", FOLLOWS, async || {
                let members = members(&mut redis, kind, id(article)).await?;
                Ok((members == BTreeSet::from([1, 3])).then_some(()))
            })
            .await?;
            shown(&api, kind, article, 1, &counters(article, &[(kind, 2, true)])).await?;
            for user in [1, 3] {
                api.switch(kind, article, false).user(user).good().await?;
            }
            shown(&api, kind, article, 1, &counters(article, &[])).await?;
            assert!(!redis.exists::<_, bool>(keys::count(kind, id(article))).await?, "nobody leaves no key");
        }
        Ok(())
    })
}

#[test]
fn what_redis_decides_is_soon_in_mysql_too() -> Result<()> {
    on_system(async |api, stack| {
        let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
        for (kind, article) in kinds(2020).filter(|(kind, _)| kind.truth() == Truth::Redis) {
            for (on, count) in [(true, 1), (false, 0)] {
                api.switch(kind, article, on).user(1).good().await?;
                wait_for("the row", FOLLOWS, async || {
                    Ok((in_mysql(&mysql, kind, article).await? == (count, count)).then_some(()))
                })
                .await?;
            }
        }
        Ok(())
    })
}

#[test]
fn without_redis_what_mysql_decides_goes_on_and_all_else_is_refused() -> Result<()> {
    on_system(async |api, stack| {
        let (_pod, without_redis) = pod(stack, "no-redis", &NO_REDIS).await?;
        for (kind, article) in kinds(2030) {
            let answer = without_redis.switch(kind, article, true).user(1).send().await?;
            if kind.truth() == Truth::Redis {
                assert_eq!(answer.status, 503, "{answer:?}");
                continue;
            }
            assert_eq!(answer.body, switched(kind, article, true, 1));
            assert_eq!(answer.header("ratelimit"), "", "nobody knows");
            let body = without_redis.get(&format!("/v1/articles/{article}/interactions")).user(1).good().await?;
            let mut expected = counters(article, &[(kind, 1, true)]);
            expected["stale"] = true.into();
            assert_eq!(body, expected);
            // The relay has its own way to Redis.
            shown(&api, kind, article, 1, &counters(article, &[(kind, 1, true)])).await?;
        }
        Ok(())
    })
}
