use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use contract::{
    Counter, Kind,
    keys::{self, BarSet},
};
use reqwest::Method;
use serde_json::json;
use tests::Ask;

use crate::{kinds, on_system};

/// Checks that the answer is this problem, in the shape of RFC 9457, and that it names no part of the system.
pub(crate) async fn refused(ask: Ask, status: u16, name: &str) -> Result<()> {
    let answer = ask.send().await?;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["type"]),
        (status, &json!(format!("/v1/problems/{name}"))),
        "{answer:?}"
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.body["status"], status);
    for field in ["title", "detail"] {
        assert!(answer.body[field].as_str().is_some_and(|text| text.len() > 5), "{field} of {answer:?}");
    }
    let body = answer.body.to_string().to_lowercase();
    assert!(!["redis", "mysql", "kafka", "wasm", "panic"].iter().any(|word| body.contains(word)), "{body}");
    Ok(())
}

#[test]
fn an_id_that_is_none_is_400() -> Result<()> {
    on_system(async |api, _| {
        for bad in ["1%20", "%00", "%FF", "%", "a%2Fb", "a,b", "%23", "%C3%A9", "auth0%257Cx", &"a".repeat(129)] {
            for kind in Kind::ALL {
                for method in [Method::PUT, Method::DELETE] {
                    refused(api.ask(method, &format!("/v1/articles/{bad}/{kind}")).user(1), 400, "bad-id").await?;
                }
            }
            refused(api.post(&format!("/v1/articles/{bad}/views")), 400, "bad-id").await?;
            refused(api.get(&format!("/v1/articles/{bad}/interactions")), 400, "bad-id").await?;
            for list in Kind::ALL.iter().filter_map(|kind| kind.listed()) {
                refused(api.get(&format!("/v1/articles/{bad}/{list}")), 400, "bad-id").await?;
            }
        }
        Ok(())
    })
}

#[test]
fn a_query_that_is_not_understood_is_400() -> Result<()> {
    on_system(async |api, _| {
        let many = (1..=101).map(|id: i32| id.to_string()).collect::<Vec<_>>().join(",");
        for bad in [
            "",
            "?article_ids=",
            "?article_ids=1,,2",
            "?article_ids=a%20b",
            "?article_ids=a/b",
            "?article_ids=%FF",
            "?other=1",
            "?article_ids=&article_ids[]=",
            "?article_ids=1&article_ids[]=x%20y",
            "?article_ids[0]=1",
            "?article_ids=%ff",
            "?article_ids=1%252C2",
            &format!("?article_ids={many}"),
        ] {
            refused(api.get(&format!("/v1/interactions{bad}")), 400, "bad-query").await?;
            refused(api.get(&format!("/v1/interactions/totals{bad}")), 400, "bad-query").await?;
        }
        for bad in [
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=+5",
            "limit=x",
            "limit=1&limit=2",
            "cursor=x",
            "cursor=1-2",
            "cursor=1-2-3&cursor=",
            "limit=%2B5",
            "cursor=1-2-0",
            "cursor=99999999999999999999-0-1",
        ] {
            for kind in Kind::ALL {
                refused(api.get(&format!("/v1/me/{}?{bad}", kind.count())).user(1), 400, "bad-query").await?;
                if let Some(list) = kind.listed() {
                    refused(api.get(&format!("/v1/articles/1/{list}?{bad}")), 400, "bad-query").await?;
                }
                if bad.starts_with("limit") {
                    refused(api.get(&format!("/v1/top/{}?{bad}", kind.count())), 400, "bad-query").await?;
                }
            }
        }
        for bad in ["month", "Hour", "60", "hour,day", "hour&window=day"] {
            for counter in Counter::all() {
                refused(api.get(&format!("/v1/top/{}?window={bad}", counter.name())), 400, "bad-query").await?;
            }
        }
        Ok(())
    })
}

#[test]
fn a_body_that_is_not_understood_is_400() -> Result<()> {
    on_system(async |api, _| {
        let reads = || api.post("/v1/articles/1/reads");
        for bad in [
            "",
            "{",
            "[]",
            "null",
            "{}",
            "{\"view_token\":1}",
            "{\"view_token\":\"a\",\"view_token\":\"b\"}",
            "other=a",
            "view_token=a&view_token=b",
            "--x\r\n\r\n",
        ] {
            refused(reads().body(bad), 400, "bad-body").await?;
        }
        refused(reads().body(vec![0xff_u8; 100]), 400, "bad-body").await?;
        Ok(())
    })
}

#[test]
fn nobody_acts_without_a_token_that_holds() -> Result<()> {
    on_system(async |api, _| {
        for kind in Kind::ALL.iter().copied() {
            for on in [true, false] {
                refused(api.switch(kind, 1, on), 401, "token-missing").await?;
            }
            // Only the token names a user.
            let named = api.put(&format!("/v1/articles/1/{kind}?user_id=7")).header("x-user-id", "7");
            refused(named, 401, "token-missing").await?;
            refused(api.get(&format!("/v1/me/{}", kind.count())), 401, "token-missing").await?;
            let without = api.switch(kind, 1, true).send().await?;
            assert_eq!(without.header("www-authenticate"), "Bearer");
            // Other schemes are for the site's own use, so they count as no token.
            let other = api.switch(kind, 1, true).header("authorization", "Basic eDp5");
            refused(other, 401, "token-missing").await?;
        }

        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let good =
            json!({"sub": "7", "iss": stack::dev("JWT_ISSUER"), "aud": stack::dev("JWT_AUDIENCE"), "exp": now + 600});
        let with = |name: &str, value: serde_json::Value| {
            let mut claims = good.clone();
            claims[name] = value;
            stack::token_with(&claims, stack::dev("JWT_KEY"))
        };
        let bad = [
            with("exp", json!(now - 600)),
            with("iss", json!("another")),
            with("aud", json!("another")),
            with("sub", json!("")),
            with("sub", json!("a b")),
            with("sub", json!("a".repeat(129))),
            stack::token_with(&good, "another key of more than 32 characters"),
            "not.a.token".to_owned(),
        ];
        for token in bad {
            let bearer = format!("Bearer {token}");
            for kind in Kind::ALL.iter().copied() {
                let switch = api.switch(kind, 1, true).header("authorization", &bearer);
                refused(switch, 401, "token-invalid").await?;
            }
            // A bad token is refused even where none is needed.
            for path in open_to_anyone() {
                refused(api.get(&path).header("authorization", &bearer), 401, "token-invalid").await?;
            }
            refused(api.post("/v1/articles/1/views").header("authorization", &bearer), 401, "token-invalid").await?;
        }
        Ok(())
    })
}

fn open_to_anyone() -> impl Iterator<Item = String> {
    let fixed = [
        "/v1/articles/1/interactions",
        "/v1/interactions?article_ids=1",
        "/v1/interactions/totals?article_ids=1",
        "/v1/articles/1/history",
    ];
    let tops = Counter::all().map(|counter| format!("/v1/top/{}", counter.name()));
    let lists = Kind::ALL.iter().filter_map(|kind| Some(format!("/v1/articles/1/{}", kind.listed()?)));
    fixed.map(str::to_owned).into_iter().chain(tops).chain(lists)
}

#[test]
fn an_unknown_path_is_404() -> Result<()> {
    on_system(async |api, _| {
        for path in [
            "/",
            "/v1",
            "/v2/articles/1/views",
            "/v1/articles/1",
            "/v1/articles/1/view",
            "/v1/articles/1/interactions/x",
            "/v1/me",
            "/v1/top",
            "/v1/articles/1/history/day",
            "/v1/me/pv",
            "/v1/top/history",
            "/v1/interactions/total",
            "/healthz",
            "/healthz/other",
        ] {
            refused(api.get(path), 404, "not-found").await?;
        }
        for kind in Kind::ALL {
            let count = kind.count();
            for path in [
                format!("/v2/articles/1/{kind}"),
                format!("/v1/articles/1/{kind}/x"),
                format!("/v1/top/{count}/x"),
                format!("/v1/top/{kind}"),
                format!("/v1/me/{count}/x"),
                format!("/v1/me/{kind}"),
            ] {
                refused(api.get(&path).user(1), 404, "not-found").await?;
            }
        }
        Ok(())
    })
}

/// For every method, with and without a token.
#[test]
fn a_last_segment_that_is_no_kind_is_404() -> Result<()> {
    on_system(async |api, _| {
        let near = Kind::ALL.iter().flat_map(|kind| {
            let name = kind.name();
            [
                name.to_uppercase(),
                format!("{name}x"),
                format!("%{:x}{}", name.as_bytes()[0], &name[1..]),
                kind.on().to_owned(),
            ]
        });
        for word in near.chain(["none", "pv", "1", "%00", "kind", ":kind"].map(str::to_owned)) {
            let path = format!("/v1/articles/1/{word}");
            for method in [Method::PUT, Method::DELETE, Method::GET, Method::POST, Method::PATCH, Method::OPTIONS] {
                refused(api.ask(method, &path).user(1), 404, "not-found").await?;
            }
            refused(api.put(&path), 404, "not-found").await?;
        }
        Ok(())
    })
}

#[test]
fn a_wrong_method_is_405() -> Result<()> {
    on_system(async |api, _| {
        let kinds = Kind::ALL.iter().flat_map(|kind| {
            let count = kind.count();
            [
                (format!("/v1/articles/1/{kind}"), "PUT, DELETE"),
                (format!("/v1/me/{count}"), "GET"),
                (format!("/v1/top/{count}"), "GET"),
            ]
        });
        let fixed = [
            ("/v1/articles/1/views", "POST"),
            ("/v1/articles/1/history", "GET"),
            ("/v1/interactions", "GET"),
            ("/v1/top/pv", "GET"),
        ];
        for (path, allow) in fixed.map(|(path, allow)| (path.to_owned(), allow)).into_iter().chain(kinds) {
            refused(api.ask(Method::PATCH, &path), 405, "method-not-allowed").await?;
            assert_eq!(api.ask(Method::PATCH, &path).send().await?.header("allow"), allow);
        }
        Ok(())
    })
}

#[test]
fn a_barred_user_is_403_for_every_kind() -> Result<()> {
    on_system(async |api, stack| {
        const USER: i64 = 666;
        let mut redis = tests::redis(&stack.redis_url()).await?;
        let mysql = sqlx::MySqlPool::connect(&stack.mysql_owner_url()).await?;
        sqlx::query("INSERT INTO user_bar (user_id, at, reason) VALUES (?, UTC_TIMESTAMP(3), 'test')")
            .bind(USER)
            .execute(&mysql)
            .await?;
        for (kind, article) in kinds(4000) {
            let barred = keys::barred(tests::partition_of(article), BarSet::of(tests::id(USER)));
            let () = redis::AsyncCommands::sadd(&mut redis, barred, USER).await?;
            for on in [true, false] {
                refused(api.switch(kind, article, on).user(USER), 403, "barred").await?;
            }
        }
        Ok(())
    })
}
