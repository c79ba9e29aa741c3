use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use stack::{Stack, wait_for};
use tests::Api;

use crate::on_system;

/// A ranking is made every ten seconds, and the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Until these articles have so many likes, in this order, in both windows; none is an article that is not there.
async fn ranked(api: &Api, expected: &[(&str, u64)]) -> Result<()> {
    for window in ["hour", "day"] {
        wait_for(&format!("{expected:?} in the {window}"), PATIENCE, async || {
            let top = api.get(&format!("/v1/top/likes?window={window}&limit=100")).good().await?;
            assert_eq!(top["window"], window);
            let items = top["items"].as_array().expect("a list");
            let likes = |item: &serde_json::Value| item["likes"].as_u64().expect("a number");
            assert!(items.is_sorted_by_key(|item| std::cmp::Reverse(likes(item))), "{top}");
            let told: Vec<_> = items
                .iter()
                .filter_map(|item| Some((item["article_id"].as_str()?, likes(item))))
                .filter(|(article, _)| article.starts_with("900"))
                .collect();
            Ok((told == expected).then_some(()))
        })
        .await?;
    }
    Ok(())
}

async fn likes(api: &Api, article: i64, users: std::ops::RangeInclusive<i64>) -> Result<()> {
    try_join_all(users.map(|user| api.put(&format!("/v1/articles/{article}/like")).user(user).good())).await?;
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
fn what_was_liked_most_lately_is_ranked_and_what_is_taken_back_is_not() -> Result<()> {
    on_system(async |api, stack| {
        likes(&api, 9001, 9101..=9120).await?;
        likes(&api, 9002, 9101..=9130).await?;
        likes(&api, 9003, 9101..=9101).await?;
        ranked(&api, &[("9002", 30), ("9001", 20), ("9003", 1)]).await?;

        let first = api.get("/v1/top/likes?limit=1").good().await?;
        assert_eq!((&first["window"], first["items"].as_array().map(Vec::len)), (&json!("hour"), Some(1)));
        let as_of: Timestamp = first["as_of"].as_str().expect("a time").parse()?;
        assert!(as_of.duration_until(Timestamp::now()).abs() < SignedDuration::from_mins(2), "{first}");

        for user in 9101..=9112 {
            api.delete("/v1/articles/9002/like").user(user).good().await?;
        }
        api.delete("/v1/articles/9003/like").user(9101).good().await?;
        ranked(&api, &[("9001", 20), ("9002", 18)]).await?;
        revoke(stack, 9001, 9120).await?;
        ranked(&api, &[("9001", 19), ("9002", 18)]).await
    })
}
