use anyhow::Result;
use serde_json::json;

use crate::{LIKE_BURST, on_system};

#[test]
fn a_like_is_told_at_once_and_twice_is_as_once() -> Result<()> {
    on_system(async |api, _| {
        let path = "/v1/articles/1001/like";
        let liked = json!({"article_id": "1001", "liked": true, "likes": 1});
        assert_eq!(api.put(path).user(1).good().await?, liked);
        assert_eq!(api.put(path).user(1).good().await?, liked);
        assert_eq!(api.put(path).user(2).good().await?["likes"], 2);
        let unliked = json!({"article_id": "1001", "liked": false, "likes": 1});
        assert_eq!(api.delete(path).user(1).good().await?, unliked);
        assert_eq!(api.delete(path).user(1).good().await?, unliked);
        Ok(())
    })
}

#[test]
fn the_greatest_ids_work() -> Result<()> {
    on_system(async |api, _| {
        let greatest = i64::MAX.to_string();
        let body = api.put(&format!("/v1/articles/{greatest}/like")).user(i64::MAX).good().await?;
        assert_eq!(body, json!({"article_id": greatest, "liked": true, "likes": 1}));
        let body = api.get(&format!("/v1/articles/{greatest}/interactions")).user(i64::MAX).good().await?;
        assert_eq!((&body["liked"], &body["likes"]), (&json!(true), &json!(1)));
        Ok(())
    })
}

#[test]
fn a_burst_passes_and_then_the_limit_says_when_to_come_back() -> Result<()> {
    on_system(async |api, _| {
        let path = "/v1/articles/1002/like";
        for left in (0..LIKE_BURST).rev() {
            let answer = api.put(path).user(3).send().await?;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=40;w=4000");
            assert!(answer.header("ratelimit").starts_with(&format!("\"default\";r={left};t=")), "{answer:?}");
        }
        let refused = api.delete(path).user(3).send().await?;
        assert_eq!((refused.status.as_u16(), &refused.body["type"]), (429, &json!("/v1/problems/rate-limited")));
        let wait: u64 = refused.header("retry-after").parse()?;
        assert!((90..=100).contains(&wait), "{wait} s");
        assert_eq!(refused.header("ratelimit"), format!("\"default\";r=0;t={wait}"));
        assert_eq!(refused.header("ratelimit-policy"), "\"default\";q=40;w=4000");

        let body = api.get("/v1/articles/1002/interactions").user(3).good().await?;
        assert_eq!((&body["likes"], &body["liked"]), (&json!(1), &json!(true)), "the refused request changed nothing");
        assert_eq!(api.put(path).user(4).send().await?.status, 200, "another user is not concerned");
        Ok(())
    })
}
