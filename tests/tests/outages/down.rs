//! A part is not there: the contract's table, kind by kind.

use std::time::Instant;

use anyhow::Result;
use contract::{Kind, Truth, keys};
use redis::AsyncCommands;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Api, Model, health_routes, redis};

use crate::{
    PATIENCE, System, alone, assert_refused, counters, in_time, kinds, of_redis, path, shown, switch_all,
    until_switched,
};

/// Five minutes' worth at eight likes a second.
const FIVE_MINUTES: i64 = 2400;

/// The entries of all outboxes of Redis.
async fn waiting(system: &System) -> Result<i64> {
    let mut redis = redis(&system.stack.redis_url()).await?;
    let mut waiting = 0;
    for partition in contract::Partition::all() {
        waiting += redis.xlen::<_, i64>(keys::outbox(partition)).await?;
    }
    Ok(waiting)
}

async fn changes_go_on_and_arrive_later(system: &System, api: &Api, first: i64, count: i64) -> Result<Model> {
    let mut model = Model::default();
    switch_all(api, &mut model, of_redis(), (0..count).map(|n| (1 + n / 100, first + n % 100))).await?;
    assert_eq!(waiting(system).await?, count, "each waits in its outbox");
    // A user of its own for each, since some kinds exclude each other.
    for (kind, user) in kinds(1_000_000) {
        switch_all(api, &mut model, kind, [(user, first)]).await?;
    }
    Ok(model)
}

#[test]
fn kafka_down_every_kind_goes_on_and_nothing_is_lost() -> Result<()> {
    alone(async |system, api| {
        system.drained().await?;
        system.stack.kafka.kill().await?;
        let model = changes_go_on_and_arrive_later(system, &api, 1000, FIVE_MINUTES).await?;
        // The projection does not wait for Kafka either.
        for (_, user) in kinds(1_000_000) {
            shown(&api, &model, (user, 1000)).await?;
        }
        system.stack.kafka.start().await?;
        let began = Instant::now();
        system.holds(&model, 1000..=1099).await?;
        println!("{FIVE_MINUTES} changes arrived {:.1?} after Kafka was back", began.elapsed());
        Ok(())
    })
}

#[test]
fn persister_down_every_kind_goes_on_and_nothing_is_lost() -> Result<()> {
    alone(async |system, api| {
        system.drained().await?;
        system.stack.persister.kill().await?;
        let model = changes_go_on_and_arrive_later(system, &api, 1100, 300).await?;
        system.stack.persister.start().await?;
        system.holds(&model, 1100..=1199).await
    })
}

#[test]
fn while_nothing_was_ranked_every_ranking_is_empty_and_says_so() -> Result<()> {
    alone(async |system, api| {
        system.stack.persister.kill().await?;
        let mysql = sqlx::MySqlPool::connect(&system.stack.mysql_owner_url()).await?;
        for table in ["DELETE FROM ranking", "DELETE FROM trends"] {
            sqlx::query(table).execute(&mysql).await?;
        }
        for kind in Kind::ALL {
            let top = api.get(&format!("/v1/top/{}?window=day", kind.count())).good().await?;
            assert_eq!(top, json!({"window": "day", "as_of": null, "items": []}));
        }
        // Without a checkpoint it counts what is in the log.
        system.stack.persister.start().await?;
        for (kind, article) in kinds(1700) {
            // More than most articles of other tests have, of which there are more than a ranking's hundred.
            switch_all(&api, &mut Model::default(), kind, (1..=60).map(|user| (user, article))).await?;
            let ours = json!({"article_id": article.to_string(), kind.count(): 60});
            stack::wait_for("a ranking with the article", PATIENCE, async || {
                let top = api.get(&format!("/v1/top/{}?limit=100", kind.count())).good().await?;
                let ranked = top["items"].as_array().is_some_and(|items| items.contains(&ours));
                Ok((ranked && top["as_of"].is_string()).then_some(()))
            })
            .await?;
        }
        Ok(())
    })
}

/// Twenty users have each kind on, for an article of its own.
async fn one_of_each(api: &Api, model: &mut Model, first_article: i64) -> Result<()> {
    for (kind, article) in kinds(first_article) {
        switch_all(api, model, kind, (1..=20).map(|user| (user, article))).await?;
        shown(api, model, (1, article)).await?;
    }
    Ok(())
}

#[test]
fn mysql_down_counters_and_states_are_right_and_only_what_mysql_decides_is_refused() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        one_of_each(&api, &mut model, 1200).await?;
        system.stack.mariadb.kill().await?;
        for (kind, article) in kinds(1200) {
            if kind.truth() == Truth::Redis {
                switch_all(&api, &mut model, kind, (21..=50).map(|user| (user, article))).await?;
                api.switch(kind, article, false).user(2).good().await?;
                model.switch(kind, (2, article), false);
            } else {
                for on in [true, false] {
                    let (answer, _) =
                        in_time(&api, if on { Method::PUT } else { Method::DELETE }, &path(article, kind), 1).await?;
                    assert_refused(&answer);
                }
            }
            for user in [1, 2, 99] {
                let body = api.get(&path(article, "interactions")).user(user).good().await?;
                assert_eq!(body, counters(&model, (user, article), false));
            }
            for list in [format!("/v1/me/{}", kind.count()), format!("/v1/top/{}", kind.count())] {
                assert_refused(&in_time(&api, Method::GET, &list, 1).await?.0);
            }
            if let Some(list) = kind.listed() {
                assert_refused(&in_time(&api, Method::GET, &path(article, list), 1).await?.0);
            }
        }
        assert_eq!(api.post(&path(1250, "views")).user(1).good().await?["pv"], 1);
        let ids: Vec<String> = kinds(1200).map(|(_, article)| article.to_string()).collect();
        let batch = api.get(&format!("/v1/interactions?article_ids={}", ids.join(","))).user(1).good().await?;
        let expected: Vec<Value> = kinds(1200).map(|(_, article)| counters(&model, (1, article), false)).collect();
        assert_eq!(batch["items"], json!(expected));
        assert_eq!(totals(&api, &ids).await?, sums(&model, false));
        let ready = in_time(&api, Method::GET, "/readyz", 1).await?.0;
        assert_eq!(
            (ready.status.as_u16(), &ready.body["redis"], &ready.body["mysql"]),
            (503, &json!("ok"), &json!("unavailable"))
        );

        system.stack.mariadb.start().await?;
        for (kind, article) in kinds(1200) {
            until_switched(&api, kind, (60, article), true).await?;
            model.switch(kind, (60, article), true);
        }
        system.holds(&model, 1200..=1249).await
    })
}

async fn totals(api: &Api, ids: &[String]) -> Result<Value> {
    api.get(&format!("/v1/interactions/totals?article_ids={}", ids.join(","))).good().await
}

/// The totals of an article for each kind, without views.
fn sums(model: &Model, stale: bool) -> Value {
    let mut sums = json!({"articles": Kind::ALL.len(), "pv": 0, "reads": 0, "stale": stale});
    for kind in Kind::ALL.iter().copied() {
        sums[kind.count()] = model.standing(kind).len().into();
    }
    sums
}

#[test]
fn redis_down_every_answer_is_stale_and_what_mysql_decides_goes_on() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        one_of_each(&api, &mut model, 1300).await?;
        system.drained().await?;
        system.stack.redis.kill().await?;
        for (kind, article) in kinds(1300) {
            for (user, on) in [(1, false), (30, true), (31, true), (31, false)] {
                let method = if on { Method::PUT } else { Method::DELETE };
                let (answer, _) = in_time(&api, method, &path(article, kind), user).await?;
                if kind.truth() == Truth::Redis {
                    assert_refused(&answer);
                } else {
                    answer.says(kind, article, on)?;
                    model.switch(kind, (user, article), on);
                }
            }
            for user in [1, 2, 30] {
                let body = api.get(&path(article, "interactions")).user(user).good().await?;
                assert_eq!(body, counters(&model, (user, article), true));
            }
            let mine = api.get(&format!("/v1/me/{}?limit=100", kind.count())).user(2).good().await?;
            let listed = |item: &Value| item["article_id"] == *article.to_string();
            assert!(mine["items"].as_array().is_some_and(|items| items.iter().any(listed)), "{mine}");
            if let Some(list) = kind.listed() {
                let users = api.get(&format!("{}?limit=100", path(article, list))).good().await?;
                assert_eq!(users["items"].as_array().map(Vec::len), Some(model.standing(kind).len()));
            }
        }
        assert_refused(&in_time(&api, Method::POST, &path(1300, "views"), 1).await?.0);
        let ids: Vec<String> = kinds(1300).map(|(_, article)| article.to_string()).collect();
        let batch = api.get(&format!("/v1/interactions?article_ids={}", ids.join(","))).user(1).good().await?;
        let expected: Vec<Value> = kinds(1300).map(|(_, article)| counters(&model, (1, article), true)).collect();
        assert_eq!(batch["items"], json!(expected));
        assert_eq!(totals(&api, &ids).await?, sums(&model, true));

        system.stack.redis.start().await?;
        system.warm().await?;
        for (_, article) in kinds(1300) {
            shown(&api, &model, (1, article)).await?;
        }
        system.holds(&model, 1300..=1349).await
    })
}

#[test]
fn both_stores_down_every_route_says_so() -> Result<()> {
    alone(async |system, api| {
        tokio::try_join!(system.stack.redis.kill(), system.stack.mariadb.kill())?;
        let mut routes = vec![
            (Method::POST, path(1400, "views")),
            (Method::GET, path(1400, "interactions")),
            (Method::GET, "/v1/interactions?article_ids=1400".to_owned()),
            (Method::GET, "/v1/interactions/totals?article_ids=1400".to_owned()),
        ];
        for kind in Kind::ALL {
            routes.push((Method::PUT, path(1400, kind)));
            routes.push((Method::DELETE, path(1400, kind)));
            routes.push((Method::GET, format!("/v1/top/{}", kind.count())));
            routes.push((Method::GET, format!("/v1/me/{}", kind.count())));
            routes.extend(kind.listed().map(|list| (Method::GET, path(1400, list))));
        }
        for (method, route) in routes {
            assert_refused(&in_time(&api, method, &route, 1).await?.0);
        }
        for route in health_routes() {
            assert_eq!(api.get(route).send().await?.status, 200, "{route}");
        }
        assert_eq!(api.get("/v1/problems/store-unavailable").send().await?.status, 200, "where their type leads");
        Ok(())
    })
}
