//! The ids that sites have: what a site writes is what it gets back, everywhere.

use anyhow::Result;
use contract::{Kind, Truth};
use serde_json::json;
use stack::wait_for;
use tests::site::segment;

use crate::{FOLLOWS, on_system};

/// A number, a UUID, a ULID, an `ObjectId`, a slug, an e-mail address, what providers write into `sub`, and the ends of
/// what is allowed.
fn shapes() -> Vec<String> {
    let shapes = [
        "7000001",
        "4611686018427387904",
        "18446744073709551616",
        "007",
        "0",
        "-1",
        "b1946ac9-2492-4d23-8f5a-1c1f2d3e4f50",
        "01HZY3M8V7Q2W9K4T6B1N5C0DE",
        "507f1f77bcf86cd799439011",
        "how-to-like.html",
        "someone@example.com",
        "auth0|507f1f77bcf86cd799439011",
        "user_2abcDEF",
        "google-oauth2|103547991597142817347",
        "a:b~c=+.",
        "~",
    ];
    shapes.map(str::to_owned).into_iter().chain(["x".repeat(128)]).collect()
}

#[test]
fn an_id_of_any_shape_comes_back_as_it_was_written() -> Result<()> {
    on_system(async |api, _| {
        for id in &shapes() {
            // The article has the same id as the user: they are two things.
            let path = format!("/v1/articles/{}", segment(id));
            for kind in Kind::ALL.iter().copied().filter(|kind| kind.excludes().iter().all(|other| other > kind)) {
                let body = api.put(&format!("{path}/{kind}")).user(id.as_str()).good().await?;
                assert_eq!(body, json!({"article_id": id, kind.on(): true, kind.count(): 1}));
                let list = format!("/v1/me/{}", kind.count());
                wait_for(&format!("{kind} of {id} in its user's list"), FOLLOWS, async || {
                    let page = api.get(&list).user(id.as_str()).good().await?;
                    Ok((page["items"][0]["article_id"] == **id).then_some(()))
                })
                .await?;
                if let Some(listed) = kind.listed() {
                    let page = api.get(&format!("{path}/{listed}")).good().await?;
                    assert_eq!(page["items"][0]["user_id"], **id);
                }
            }
            let view = api.post(&format!("{path}/views")).user(id.as_str()).good().await?;
            assert_eq!((&view["article_id"], &view["pv"]), (&json!(id), &json!(1)));
            let body = api.get(&format!("{path}/interactions")).user(id.as_str()).good().await?;
            assert_eq!((&body["article_id"], &body["liked"], &body["pv"]), (&json!(id), &json!(true), &json!(1)));
        }
        let all: Vec<String> = shapes().iter().map(|id| segment(id)).collect();
        let batch = api.get(&format!("/v1/interactions?article_ids={}", all.join(","))).good().await?;
        let ids: Vec<&str> =
            batch["items"].as_array().expect("a list").iter().filter_map(|of| of["article_id"].as_str()).collect();
        assert_eq!(ids, shapes(), "in the order asked");
        assert!(batch["items"].as_array().expect("a list").iter().all(|of| of["likes"] == 1), "{batch}");
        Ok(())
    })
}

#[test]
fn however_an_id_is_escaped_it_is_the_same_id() -> Result<()> {
    on_system(async |api, _| {
        let kind = Kind::of(Truth::Redis).next().expect("a kind of Redis");
        for (user, spelling) in [("u:1", "a.b-c"), ("u:2", "%61.b-c"), ("u:3", "%61%2Eb%2Dc"), ("u:4", "a%2eb%2dc")] {
            let body = api.put(&format!("/v1/articles/{spelling}/{kind}")).user(user).good().await?;
            assert_eq!(body["article_id"], "a.b-c");
        }
        let body = api.get("/v1/articles/a.b-c/interactions").good().await?;
        assert_eq!(body[kind.count()], 4);
        Ok(())
    })
}

#[test]
fn an_article_that_gains_is_ranked_by_its_name() -> Result<()> {
    on_system(async |api, _| {
        let kind = Kind::ALL[0];
        for user in 0..crate::BURST {
            let path = format!("/v1/articles/ranked%7Eby-name/{kind}");
            api.put(&path).user(format!("fan-{user}").as_str()).good().await?;
        }
        wait_for("the name in the ranking", FOLLOWS, async || {
            let top = api.get(&format!("/v1/top/{}?window=day&limit=100", kind.count())).good().await?;
            let items = top["items"].as_array().expect("a list");
            Ok(items.iter().any(|item| item["article_id"] == "ranked~by-name").then_some(()))
        })
        .await
    })
}
