use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stack::wait_for;
use tests::Api;

use crate::on_system;

#[test]
fn an_article_nobody_touched_has_zeros() -> Result<()> {
    on_system(async |api, _| {
        let expected = |liked: Value| {
            json!({"article_id": "6000", "likes": 0, "collects": 0, "pv": 0, "uv": 0, "reads": 0,
                   "liked": liked, "collected": liked, "stale": false})
        };
        assert_eq!(api.get("/v1/articles/6000/interactions").good().await?, expected(Value::Null));
        assert_eq!(api.get("/v1/articles/6000/interactions").user(1).good().await?, expected(json!(false)));
        Ok(())
    })
}

#[test]
fn a_batch_answers_in_the_order_asked() -> Result<()> {
    on_system(async |api, _| {
        api.put("/v1/articles/6003/like").user(11).good().await?;
        api.put("/v1/articles/6001/collect").user(11).good().await?;
        let items = api.get("/v1/interactions?article_ids=6003,6001,6002,6003").user(11).good().await?;
        let told: Vec<_> = items["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|item| {
                (
                    item["article_id"].clone(),
                    item["likes"].clone(),
                    item["collects"].clone(),
                    item["liked"].clone(),
                    item["collected"].clone(),
                )
            })
            .collect();
        let row = |id: &str, likes, collects, liked, collected| {
            (json!(id), json!(likes), json!(collects), json!(liked), json!(collected))
        };
        assert_eq!(
            told,
            [
                row("6003", 1, 0, true, false),
                row("6001", 0, 1, false, true),
                row("6002", 0, 0, false, false),
                row("6003", 1, 0, true, false),
            ]
        );
        // As a browser's URLSearchParams writes it, and as many as one may ask for.
        let encoded = api.get("/v1/interactions?article_ids=6003%2C6001").good().await?;
        assert_eq!(encoded["items"][1]["article_id"], "6001");
        let many: Vec<String> = (6001..6101).map(|id: i32| id.to_string()).collect();
        let items = api.get(&format!("/v1/interactions?article_ids={}", many.join(","))).good().await?;
        assert_eq!(items["items"].as_array().map(Vec::len), Some(100));
        Ok(())
    })
}

#[test]
fn totals_are_the_sums_of_what_a_batch_answers() -> Result<()> {
    on_system(async |api, _| {
        for (article, users) in [(6401, 1..=3), (6402, 1..=2)] {
            for user in users {
                api.put(&format!("/v1/articles/{article}/like")).user(6400 + user).good().await?;
                api.post(&format!("/v1/articles/{article}/views")).user(6400 + user).good().await?;
            }
        }
        api.put("/v1/articles/6402/collect").user(6401).good().await?;
        let totals = async |ids: &str| api.get(&format!("/v1/interactions/totals?article_ids={ids}")).good().await;
        let sums = |articles, likes, collects, pv| json!({"articles": articles, "likes": likes, "collects": collects, "pv": pv, "reads": 0, "stale": false});
        assert_eq!(totals("6401,6402").await?, sums(2, 5, 1, 5));
        assert_eq!(totals("6401,6403%2C6402,6401,6401").await?, sums(3, 5, 1, 5), "each counts once");
        assert_eq!(totals("6403").await?, sums(1, 0, 0, 0));
        let many: Vec<String> = (6401..6501).map(|id: i32| id.to_string()).collect();
        assert_eq!(totals(&many.join(",")).await?, sums(100, 5, 1, 5));
        let signed_in = api.get("/v1/interactions/totals?article_ids=6401").user(6401).good().await?;
        assert_eq!(signed_in, sums(1, 3, 0, 3));
        Ok(())
    })
}

/// All pages of a list, a few items each.
async fn pages(api: &Api, path: &str, user: Option<i64>, field: &str, limit: usize) -> Result<Vec<String>> {
    let (mut all, mut cursor) = (vec![], None::<String>);
    loop {
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let ask = api.get(&format!("{path}?limit={limit}{after}"));
        let page = match user {
            Some(user) => ask.user(user),
            None => ask,
        }
        .good()
        .await?;
        let items = page["items"].as_array().expect("a list");
        assert!(items.len() <= limit);
        for item in items {
            let at: Timestamp = item["at"].as_str().expect("a time").parse()?;
            assert!(at.duration_until(Timestamp::now()).abs() < SignedDuration::from_mins(10), "{item}");
            all.push(item[field].as_str().expect("an id").to_owned());
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

#[test]
fn lists_are_newest_first_and_their_pages_join_without_a_gap() -> Result<()> {
    on_system(async |api, _| {
        const USER: i64 = 12;
        let articles: Vec<i64> = (6201..=6207).collect();
        for article in &articles {
            api.put(&format!("/v1/articles/{article}/like")).user(USER).good().await?;
            api.put(&format!("/v1/articles/{article}/collect")).user(USER).good().await?;
        }
        api.delete("/v1/articles/6203/like").user(USER).good().await?;
        api.delete("/v1/articles/6204/collect").user(USER).good().await?;
        let newest = |without: i64| -> Vec<String> {
            articles.iter().rev().filter(|id| **id != without).map(ToString::to_string).collect()
        };
        let likes = wait_for("the likes to be rows", Duration::from_secs(30), async || {
            let likes = pages(&api, "/v1/me/likes", Some(USER), "article_id", 2).await?;
            Ok((likes.len() == 6 && !likes.contains(&"6203".to_owned())).then_some(likes))
        })
        .await?;
        assert_eq!(likes, newest(6203));
        assert_eq!(pages(&api, "/v1/me/collects", Some(USER), "article_id", 3).await?, newest(6204));
        assert!(pages(&api, "/v1/me/likes", Some(13), "article_id", 2).await?.is_empty());
        Ok(())
    })
}

/// Between two pages a like on each of them is taken back, an older one given again, and a new one made.
#[test]
fn a_cursor_goes_on_where_its_page_ended_whatever_is_written_meanwhile() -> Result<()> {
    on_system(async |api, _| {
        const USER: i64 = 14;
        let like = async |article: i64, on: bool| {
            let path = format!("/v1/articles/{article}/like");
            if on { api.put(&path) } else { api.delete(&path) }.user(USER).good().await
        };
        let listed = async || pages(&api, "/v1/me/likes", Some(USER), "article_id", 100).await;
        let until = async |newest: i64, without: &[i64]| {
            wait_for("the likes to be rows", Duration::from_secs(30), async || {
                let likes = listed().await?;
                let there = likes.first() == Some(&newest.to_string());
                Ok((there && !without.iter().any(|gone| likes.contains(&gone.to_string()))).then_some(()))
            })
            .await
        };
        for article in 6501..=6508 {
            like(article, true).await?;
        }
        until(6508, &[]).await?;
        let page = async |cursor: &str| api.get(&format!("/v1/me/likes?limit=3{cursor}")).user(USER).good().await;
        let ids = |page: &Value| -> Vec<i64> {
            let items = page["items"].as_array().expect("a list").iter();
            items.map(|item| item["article_id"].as_str().expect("an id").parse().expect("a number")).collect()
        };
        let first = page("").await?;
        assert_eq!(ids(&first), [6508, 6507, 6506]);
        // The page's last item, one of the next page's, and one that moves to the front.
        for (article, on) in [(6506, false), (6504, false), (6502, false), (6502, true), (6509, true)] {
            like(article, on).await?;
        }
        until(6509, &[6506, 6504]).await?;
        let cursor = first["next_cursor"].as_str().expect("there is more");
        let second = page(&format!("&cursor={cursor}")).await?;
        assert_eq!((ids(&second), &second["next_cursor"]), (vec![6505, 6503, 6501], &Value::Null));
        assert_eq!(listed().await?, ["6509", "6502", "6508", "6507", "6505", "6503", "6501"]);
        Ok(())
    })
}

#[test]
fn likers_are_listed_to_anyone() -> Result<()> {
    on_system(async |api, _| {
        for user in 21..=25 {
            api.put("/v1/articles/6301/like").user(user).good().await?;
        }
        let likers = wait_for("the likes to be rows", Duration::from_secs(30), async || {
            let likers = pages(&api, "/v1/articles/6301/likers", None, "user_id", 2).await?;
            Ok((likers.len() == 5).then_some(likers))
        })
        .await?;
        assert_eq!(likers, ["25", "24", "23", "22", "21"]);
        Ok(())
    })
}
