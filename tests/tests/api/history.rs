use std::time::Duration;

use anyhow::{Context, Result};
use contract::Kind;
use jiff::{SignedDuration, Timestamp, tz::Offset};
use serde_json::{Map, Value, json};
use stack::wait_for;
use tests::Api;

use crate::{on_system, refusals::refused};

/// A change is in the history after ten seconds, and the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

fn day(ago: i64) -> String {
    let at = Timestamp::now() - SignedDuration::from_hours(24 * ago);
    Offset::UTC.to_datetime(at).date().to_string()
}

/// A day without changes.
fn nothing(ago: i64) -> Value {
    let mut fields = Map::from_iter([("day".to_owned(), json!(day(ago)))]);
    for kind in Kind::ALL {
        fields.extend([(kind.on().to_owned(), json!(0)), (kind.off(), json!(0))]);
    }
    fields.extend(["views", "new_visitors", "reads"].map(|field| (field.to_owned(), json!(0))));
    Value::Object(fields)
}

async fn history(api: &Api, article: &str, query: &str) -> Result<Vec<Value>> {
    let answer = api.get(&format!("/v1/articles/{article}/history{query}")).good().await?;
    assert_eq!(answer["article_id"], article);
    Ok(answer["days"].as_array().context("days")?.clone())
}

#[test]
fn the_history_of_a_day_is_what_clients_did_on_it() -> Result<()> {
    on_system(async |api, stack| {
        const ARTICLE: i64 = 9501;
        let article = ARTICLE.to_string();
        let mut today = nothing(0);
        for kind in Kind::ALL.iter().copied() {
            // Other users for each kind, since kinds may exclude each other.
            let first = 9600 + 10 * i64::from(kind.code());
            for user in first..first + 5 {
                api.switch(kind, ARTICLE, true).user(user).good().await?;
                // What is on already does not change.
                api.switch(kind, ARTICLE, true).user(user).good().await?;
            }
            for user in first..first + 2 {
                api.switch(kind, ARTICLE, false).user(user).good().await?;
            }
            api.switch(kind, ARTICLE, true).user(first).good().await?;
            today[kind.on()] = json!(6);
            today[kind.off()] = json!(2);
        }
        let mut token = Value::Null;
        for user in [9601, 9601, 9602] {
            token = api.post(&format!("/v1/articles/{ARTICLE}/views")).user(user).good().await?["view_token"].clone();
        }
        for (field, count) in [("views", 3), ("new_visitors", 2), ("reads", 1)] {
            today[field] = json!(count);
        }
        let read = json!({ "view_token": token }).to_string();
        let read = async || api.post(&format!("/v1/articles/{ARTICLE}/reads")).body(read.clone()).send().await;
        wait_for("the read", PATIENCE, async || Ok((read().await?.status == 200).then_some(()))).await?;
        assert_eq!(read().await?.body["counted"], false);

        let expected = [nothing(1), today];
        let mut found = vec![];
        let waited = wait_for("the history", PATIENCE, async || {
            found = history(&api, &article, "?by=day&days=2").await?;
            Ok((found == expected).then_some(()))
        });
        waited.await.with_context(|| format!("{found:?}"))?;

        // The days before are in the same order, and what is older than asked for, or ahead, is left out.
        let mysql = sqlx::MySqlPool::connect(&stack.mysql_owner_url()).await?;
        sqlx::query(
            "INSERT INTO history (article_id, day, counter, gained, lost)
             SELECT 9501, UTC_DATE() - INTERVAL ago DAY, 1, ago, 1
             FROM (SELECT 2 AS ago UNION ALL SELECT 3 UNION ALL SELECT 365 UNION ALL SELECT 366) days
             UNION ALL SELECT 9501, UTC_DATE() + INTERVAL 1 DAY, 1, 9, 9",
        )
        .execute(&mysql)
        .await?;
        let year = history(&api, &article, "?days=366").await?;
        assert_eq!((year.len(), &year[364..]), (366, &expected[..]));
        for (place, ago, liked) in [(363, 2, 2), (362, 3, 3), (361, 4, 0), (0, 365, 365)] {
            assert_eq!((&year[place]["day"], &year[place]["liked"]), (&json!(day(ago)), &json!(liked)));
        }
        assert_eq!(history(&api, &article, "?days=1").await?, expected[1..]);
        assert_eq!(history(&api, &article, "?days=&by=").await?, year[336..]);
        Ok(())
    })
}

#[test]
fn an_article_that_nobody_has_touched_has_days_of_zeros() -> Result<()> {
    on_system(async |api, _| {
        for article in ["9502", "a-slug-that-nobody-knows", "auth0|x:y"] {
            let days: Vec<Value> = (0..30).rev().map(nothing).collect();
            assert_eq!(history(&api, article, "").await?, days);
        }
        Ok(())
    })
}

#[test]
fn days_that_there_are_not_are_400() -> Result<()> {
    on_system(async |api, _| {
        for bad in [
            "by=week",
            "by=Day",
            "by=day&by=day",
            "by=hour",
            "days=0",
            "days=367",
            "days=-1",
            "days=1.5",
            "days=x",
            "days=%2B5",
            "days=05",
            "days=1&days=2",
            "days=99999999999999999999",
        ] {
            refused(api.get(&format!("/v1/articles/1/history?{bad}")), 400, "bad-query").await?;
        }
        refused(api.get("/v1/articles/%20/history"), 400, "bad-id").await
    })
}
