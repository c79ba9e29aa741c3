use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use contract::Kind;
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stack::{Stack, wait_for};
use tests::Api;

use crate::on_system;

/// A ranking is made every ten seconds, and the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Until these of the kind's articles have so many users more, in this order, in every window.
async fn ranked(api: &Api, (kind, first): (Kind, i64), expected: &[(i64, u64)]) -> Result<()> {
    for window in ["hour", "day", "week"] {
        wait_for(&format!("{expected:?} of {kind} in the {window}"), PATIENCE, async || {
            let top = api.get(&format!("/v1/top/{}?window={window}&limit=100", kind.count())).good().await?;
            assert_eq!(top["window"], window);
            let items = top["items"].as_array().expect("a list");
            let gained = |item: &Value| item[kind.count()].as_u64().expect("a number");
            assert!(items.is_sorted_by_key(|item| std::cmp::Reverse(gained(item))), "{top}");
            // Other tests' may have names.
            let article = |item: &Value| item["article_id"].as_str().and_then(|id| id.parse().ok());
            let ours = items.iter().filter_map(|item| Some((article(item)?, gained(item))));
            let ours: Vec<(i64, u64)> = ours.filter(|(article, _)| (first..first + 10).contains(article)).collect();
            Ok((ours == expected).then_some(()))
        })
        .await?;
    }
    Ok(())
}

async fn switch(api: &Api, kind: Kind, article: i64, users: std::ops::RangeInclusive<i64>, on: bool) -> Result<()> {
    try_join_all(users.map(|user| api.switch(kind, article, on).user(user).good())).await?;
    Ok(())
}

async fn revoke(stack: &Stack, article: i64, user: i64) -> Result<()> {
    let (article, user) = (article.to_string(), user.to_string());
    let arguments = ["revoke", "--article", &article, "--user", &user, "--execute"];
    let output = stack.persister.command(&arguments)?.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn what_gained_most_lately_is_ranked_and_what_is_taken_back_is_not() -> Result<()> {
    on_system(async |api, stack| {
        for kind in Kind::ALL.iter().copied() {
            let first = 9000 + 10 * i64::from(kind.code());
            let (of, [one, two, three]) = ((kind, first), [first, first + 1, first + 2]);
            for (article, users) in [(one, 9101..=9120), (two, 9101..=9130), (three, 9101..=9101)] {
                switch(&api, kind, article, users, true).await?;
            }
            ranked(&api, of, &[(two, 30), (one, 20), (three, 1)]).await?;

            let top = api.get(&format!("/v1/top/{}?limit=1", kind.count())).good().await?;
            assert_eq!((&top["window"], top["items"].as_array().map(Vec::len)), (&json!("hour"), Some(1)));
            let as_of: Timestamp = top["as_of"].as_str().expect("a time").parse()?;
            assert!(as_of.duration_until(Timestamp::now()).abs() < SignedDuration::from_mins(2), "{top}");

            switch(&api, kind, two, 9101..=9112, false).await?;
            switch(&api, kind, three, 9101..=9101, false).await?;
            ranked(&api, of, &[(one, 20), (two, 18)]).await?;
            revoke(stack, one, 9120).await?;
            ranked(&api, of, &[(one, 19), (two, 18)]).await?;
        }
        Ok(())
    })
}

#[test]
fn what_is_viewed_and_read_most_is_ranked() -> Result<()> {
    on_system(async |api, _| {
        let (one, two) = (9080, 9081);
        let mut tokens = vec![];
        for (article, users) in [(one, &[9180, 9180, 9180, 9181][..]), (two, &[9180, 9181, 9182])] {
            for user in users {
                let view = api.post(&format!("/v1/articles/{article}/views")).user(*user).good().await?;
                tokens.push((article, view["view_token"].clone()));
            }
        }
        for (article, token) in &tokens[3..6] {
            let body = json!({ "view_token": token }).to_string();
            wait_for("a read", PATIENCE, async || {
                let read = api.post(&format!("/v1/articles/{article}/reads")).body(body.clone()).send().await?;
                Ok((read.status == 200).then_some(()))
            })
            .await?;
        }
        for (counter, expected) in
            [("pv", [(one, 4), (two, 3)]), ("uv", [(two, 3), (one, 2)]), ("reads", [(two, 2), (one, 1)])]
        {
            for window in ["hour", "day", "week"] {
                let ours = json!(
                    expected.map(|(article, count)| json!({ "article_id": article.to_string(), counter: count }))
                );
                let mut found = json!(null);
                let name = format!("{counter} of the {window}");
                let waited = wait_for(&name, PATIENCE, async || {
                    let top = api.get(&format!("/v1/top/{counter}?window={window}&limit=100")).good().await?;
                    let mut items = top["items"].as_array().expect("a list").clone();
                    let ids = [one, two].map(|article| json!(article.to_string()));
                    items.retain(|item| ids.contains(&item["article_id"]));
                    found = Value::Array(items);
                    Ok((found == ours).then_some(()))
                });
                waited.await.with_context(|| found.to_string())?;
            }
        }
        Ok(())
    })
}
