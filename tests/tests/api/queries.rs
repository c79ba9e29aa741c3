//! Counters of one article and of many.

use anyhow::{Context, Result};
use contract::{Kind, Truth};
use serde_json::{Value, json};
use stack::wait_for;
use tests::Api;

use crate::{
    FOLLOWS, counters, kinds, on_system,
    pod::{NO_MYSQL, pod},
};

#[test]
fn an_article_nobody_touched_has_zeros() -> Result<()> {
    on_system(async |api, _| {
        let mut expected = counters(6000, &[]);
        assert_eq!(api.get("/v1/articles/6000/interactions").user(1).good().await?, expected);
        for kind in Kind::ALL {
            expected[kind.on()] = Value::Null;
        }
        assert_eq!(api.get("/v1/articles/6000/interactions").good().await?, expected);
        Ok(())
    })
}

/// Until the items are these: what MySQL decides follows in Redis.
async fn batch(api: &Api, ids: &str, user: i64, expected: &[Value]) -> Result<()> {
    let mut last = Value::Null;
    let waited = wait_for("the projections", FOLLOWS, async || {
        last = api.get(&format!("/v1/interactions?article_ids={ids}")).user(user).good().await?;
        Ok((last["items"].as_array().is_some_and(|items| *items == expected)).then_some(()))
    });
    waited.await.with_context(|| format!("{last} instead of {expected:?}"))
}

#[test]
fn a_batch_answers_in_the_order_asked() -> Result<()> {
    on_system(async |api, _| {
        for (kind, article) in kinds(6000) {
            api.switch(kind, article, true).user(11).good().await?;
        }
        let mut articles: Vec<(i64, Value)> =
            kinds(6000).map(|(kind, article)| (article, counters(article, &[(kind, 1, true)]))).collect();
        articles.reverse();
        articles.push((6000, counters(6000, &[])));
        articles.push(articles[0].clone());
        let (ids, expected): (Vec<String>, Vec<Value>) =
            articles.into_iter().map(|(article, counters)| (article.to_string(), counters)).unzip();
        batch(&api, &ids.join(","), 11, &expected).await?;
        // As a browser's URLSearchParams writes it, and as many as one may ask for.
        batch(&api, &ids.join("%2C"), 11, &expected).await?;
        let many: Vec<String> = (6001..6101).map(|id: i32| id.to_string()).collect();
        let items = api.get(&format!("/v1/interactions?article_ids={}", many.join(","))).good().await?;
        assert_eq!(items["items"].as_array().map(Vec::len), Some(100));
        Ok(())
    })
}

#[test]
fn a_list_of_articles_is_taken_in_each_of_its_spellings() -> Result<()> {
    on_system(async |api, _| {
        for query in [
            "article_ids=6201,6202,6203",
            "article_ids=6201%2C6202%2c6203",
            "article_ids=6201&article_ids=6202&article_ids=6203",
            "article_ids[]=6201&article_ids[]=6202&article_ids[]=6203",
            "article_ids%5B%5D=6201&article_ids%5B%5D=6202,6203",
            "article_ids=&article_ids=6201,6202&other=x&article_ids=%36203",
        ] {
            let answer = api.get(&format!("/v1/interactions?{query}")).good().await?;
            let items = answer["items"].as_array().map(|items| items.iter().map(|item| item["article_id"].clone()));
            let ids: Vec<Value> = items.into_iter().flatten().collect();
            assert_eq!(ids, ["6201", "6202", "6203"], "{query}");
            assert_eq!(api.get(&format!("/v1/interactions/totals?{query}")).good().await?["articles"], 3, "{query}");
        }
        Ok(())
    })
}

#[test]
fn an_empty_parameter_is_one_that_was_not_given() -> Result<()> {
    on_system(async |api, _| {
        for kind in Kind::ALL {
            let path = format!("/v1/me/{}", kind.count());
            let first = api.get(&path).user(6211).good().await?;
            for query in ["cursor=", "limit=", "limit=20&cursor=", "cursor&limit"] {
                assert_eq!(api.get(&format!("{path}?{query}")).user(6211).good().await?, first, "{query}");
            }
            let top = api.get(&format!("/v1/top/{}?window=&limit=", kind.count())).good().await?;
            assert_eq!(top["window"], "hour");
        }
        Ok(())
    })
}

#[test]
fn totals_are_the_sums_of_what_a_batch_answers() -> Result<()> {
    on_system(async |api, _| {
        for (article, users) in [(6401, 1..=3), (6402, 1..=2)] {
            for user in users {
                for kind in Kind::ALL.iter().copied() {
                    // A user of its own, since some kinds exclude each other.
                    let user = 6400 + 10 * i64::from(kind.code()) + user;
                    api.switch(kind, article, true).user(user).good().await?;
                }
                api.post(&format!("/v1/articles/{article}/views")).user(6400 + user).good().await?;
            }
        }
        let ask = async |ids: &str| api.get(&format!("/v1/interactions/totals?article_ids={ids}")).good().await;
        let sums = |articles, of_each: i64| {
            let mut sums = json!({"articles": articles, "pv": of_each, "reads": 0, "stale": false});
            for kind in Kind::ALL {
                sums[kind.count()] = of_each.into();
            }
            sums
        };
        wait_for("the projections", FOLLOWS, async || Ok((ask("6401,6402").await? == sums(2, 5)).then_some(())))
            .await?;
        assert_eq!(ask("6401,6403%2C6402,6401,6401").await?, sums(3, 5), "each counts once");
        assert_eq!(ask("6403").await?, sums(1, 0));
        let many: Vec<String> = (6401..6501).map(|id: i32| id.to_string()).collect();
        assert_eq!(ask(&many.join(",")).await?, sums(100, 5));
        let signed_in = api.get("/v1/interactions/totals?article_ids=6401").user(6401).good().await?;
        assert_eq!(signed_in, sums(1, 3));
        Ok(())
    })
}

#[test]
fn counters_go_on_while_mysql_is_away() -> Result<()> {
    on_system(async |api, stack| {
        let (_pod, without_mysql) = pod(stack, "no-mysql", &NO_MYSQL).await?;
        for (kind, article) in kinds(6100) {
            api.switch(kind, article, true).user(1).good().await?;
            batch(&without_mysql, &article.to_string(), 1, &[counters(article, &[(kind, 1, true)])]).await?;
            let status = without_mysql.switch(kind, article, false).user(1).send().await?.status;
            assert_eq!(status, if kind.truth() == Truth::Redis { 200 } else { 503 }, "{kind}");
        }
        Ok(())
    })
}
