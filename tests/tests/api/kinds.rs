//! What every kind promises, whatever the table says of it.

use anyhow::Result;
use serde_json::json;

use crate::{BURST, counters, kinds, on_system, shown, switched};

#[test]
fn a_change_is_answered_at_once_and_twice_is_as_once() -> Result<()> {
    on_system(async |api, _| {
        for (kind, article) in kinds(1000) {
            let switch = async |user: i64, on: bool| api.switch(kind, article, on).user(user).good().await;
            for _ in 0..2 {
                assert_eq!(switch(1, true).await?, switched(kind, article, true, 1));
            }
            assert_eq!(switch(2, true).await?, switched(kind, article, true, 2));
            for _ in 0..2 {
                assert_eq!(switch(1, false).await?, switched(kind, article, false, 1));
            }
            assert_eq!(switch(3, false).await?, switched(kind, article, false, 1), "it was never on");
            assert_eq!(switch(2, false).await?, switched(kind, article, false, 0));
        }
        Ok(())
    })
}

#[test]
fn a_change_leaves_other_users_other_kinds_and_other_articles_as_they_were() -> Result<()> {
    on_system(async |api, _| {
        for (kind, article) in kinds(1010) {
            api.switch(kind, article, true).user(1).good().await?;
            shown(&api, kind, article, 1, &counters(article, &[(kind, 1, true)])).await?;
            shown(&api, kind, article, 2, &counters(article, &[(kind, 1, false)])).await?;
            api.switch(kind, article, true).user(2).good().await?;
            api.switch(kind, article, false).user(1).good().await?;
            shown(&api, kind, article, 1, &counters(article, &[(kind, 1, false)])).await?;
            shown(&api, kind, article, 2, &counters(article, &[(kind, 1, true)])).await?;
            shown(&api, kind, article + 10, 2, &counters(article + 10, &[])).await?;
        }
        Ok(())
    })
}

#[test]
fn the_greatest_ids_work() -> Result<()> {
    const GREATEST: i64 = (1 << 62) - 1;
    on_system(async |api, _| {
        for (kind, _) in kinds(0) {
            let on = api.switch(kind, GREATEST, true).user(GREATEST).good().await?;
            assert_eq!(on, switched(kind, GREATEST, true, 1));
            shown(&api, kind, GREATEST, GREATEST, &counters(GREATEST, &[(kind, 1, true)])).await?;
            let off = api.switch(kind, GREATEST, false).user(GREATEST).good().await?;
            assert_eq!(off, switched(kind, GREATEST, false, 0));
            shown(&api, kind, GREATEST, GREATEST, &counters(GREATEST, &[])).await?;
        }
        Ok(())
    })
}

#[test]
fn a_burst_passes_and_then_the_limit_says_when_to_come_back() -> Result<()> {
    on_system(async |api, _| {
        for (kind, article) in kinds(1030) {
            for left in (0..BURST).rev() {
                let answer = api.switch(kind, article, true).user(3).send().await?;
                assert_eq!(answer.status, 200);
                assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=40;w=4000");
                assert!(answer.header("ratelimit").starts_with(&format!("\"default\";r={left};t=")), "{answer:?}");
            }
            let refused = api.switch(kind, article, false).user(3).send().await?;
            assert_eq!((refused.status.as_u16(), &refused.body["type"]), (429, &json!("/v1/problems/rate-limited")));
            let wait: u64 = refused.header("retry-after").parse()?;
            assert!((90..=100).contains(&wait), "{wait} s");
            assert_eq!(refused.header("ratelimit"), format!("\"default\";r=0;t={wait}"));
            assert_eq!(refused.header("ratelimit-policy"), "\"default\";q=40;w=4000");

            shown(&api, kind, article, 3, &counters(article, &[(kind, 1, true)])).await?;
            assert_eq!(
                api.switch(kind, article, true).user(4).send().await?.status,
                200,
                "another user is not concerned"
            );
        }
        Ok(())
    })
}
