//! What a user has on, and who has a kind on for an article.

use anyhow::Result;
use contract::Kind;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use stack::wait_for;
use tests::Api;

use crate::{FOLLOWS, kinds, on_system};

/// All pages of a list, a few items each.
async fn pages(api: &Api, path: &str, user: Option<i64>, field: &str, limit: usize) -> Result<Vec<i64>> {
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
            all.push(item[field].as_str().expect("an id").parse()?);
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

/// All of a user's list.
async fn mine(api: &Api, kind: Kind, user: i64, limit: usize) -> Result<Vec<i64>> {
    pages(api, &format!("/v1/me/{}", kind.count()), Some(user), "article_id", limit).await
}

/// Until a user's list is that: a kind that Redis decides becomes rows soon.
async fn until_mine(api: &Api, kind: Kind, user: i64, expected: &[i64]) -> Result<()> {
    wait_for(&format!("{expected:?} of {kind}"), FOLLOWS, async || {
        Ok((mine(api, kind, user, 100).await? == expected).then_some(()))
    })
    .await
}

/// Ten articles of the kind's own.
fn first_article(kind: Kind) -> i64 {
    6500 + 10 * i64::from(kind.code())
}

#[test]
fn lists_are_newest_first_and_their_pages_join_without_a_gap() -> Result<()> {
    const USER: i64 = 12;
    on_system(async |api, _| {
        for kind in Kind::ALL.iter().copied() {
            let articles = first_article(kind)..first_article(kind) + 7;
            for article in articles.clone() {
                api.switch(kind, article, true).user(USER).good().await?;
            }
            let gone = articles.start + 2;
            api.switch(kind, gone, false).user(USER).good().await?;
            let newest_first: Vec<i64> = articles.rev().filter(|article| *article != gone).collect();
            until_mine(&api, kind, USER, &newest_first).await?;
            assert_eq!(mine(&api, kind, USER, 2).await?, newest_first);
            assert!(mine(&api, kind, USER + 1, 2).await?.is_empty());
        }
        Ok(())
    })
}

/// Between two pages one article of each is switched off, an older one switched on again, and a new one switched on.
#[test]
fn a_cursor_goes_on_where_its_page_ended_whatever_is_written_meanwhile() -> Result<()> {
    const USER: i64 = 14;
    on_system(async |api, _| {
        for kind in Kind::ALL.iter().copied() {
            let article = |number: i64| first_article(kind) + number;
            let articles = |numbers: &[i64]| numbers.iter().map(|number| article(*number)).collect::<Vec<_>>();
            let switch = async |number: i64, on| api.switch(kind, article(number), on).user(USER).good().await;
            for number in 1..=8 {
                switch(number, true).await?;
            }
            until_mine(&api, kind, USER, &articles(&[8, 7, 6, 5, 4, 3, 2, 1])).await?;
            let page = async |cursor: &str| {
                api.get(&format!("/v1/me/{}?limit=3{cursor}", kind.count())).user(USER).good().await
            };
            let ids = |page: &Value| -> Vec<i64> {
                let items = page["items"].as_array().expect("a list").iter();
                items.map(|item| item["article_id"].as_str().expect("an id").parse().expect("a number")).collect()
            };
            let first = page("").await?;
            assert_eq!(ids(&first), articles(&[8, 7, 6]));
            // The page's last item, one of the next page's, and one that moves to the front.
            for (number, on) in [(6, false), (4, false), (2, false), (2, true), (9, true)] {
                switch(number, on).await?;
            }
            until_mine(&api, kind, USER, &articles(&[9, 2, 8, 7, 5, 3, 1])).await?;
            let cursor = first["next_cursor"].as_str().expect("there is more");
            let second = page(&format!("&cursor={cursor}")).await?;
            assert_eq!((ids(&second), &second["next_cursor"]), (articles(&[5, 3, 1]), &Value::Null));
        }
        Ok(())
    })
}

#[test]
fn a_public_list_is_for_anyone() -> Result<()> {
    on_system(async |api, _| {
        for (kind, article) in kinds(6300) {
            let Some(list) = kind.listed() else { continue };
            for user in 21..=25 {
                api.switch(kind, article, true).user(user).good().await?;
            }
            wait_for("the list", FOLLOWS, async || {
                let users = pages(&api, &format!("/v1/articles/{article}/{list}"), None, "user_id", 2).await?;
                Ok((users == [25, 24, 23, 22, 21]).then_some(()))
            })
            .await?;
        }
        Ok(())
    })
}
