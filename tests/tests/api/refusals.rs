use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::json;
use tests::Ask;

use crate::on_system;

/// That an answer is this problem, in the shape of RFC 9457, and tells nothing of what is inside.
async fn refused(ask: Ask, status: u16, name: &str) -> Result<()> {
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
    let told = answer.body.to_string().to_lowercase();
    assert!(!["redis", "mysql", "kafka", "wasm", "panic"].iter().any(|word| told.contains(word)), "{told}");
    Ok(())
}

#[test]
fn an_id_that_is_none_is_400() -> Result<()> {
    on_system(async |api, _| {
        for bad in [
            "0",
            "-1",
            "+1",
            "01",
            "1.0",
            "1e3",
            "abc",
            "9223372036854775808",
            "99999999999999999999",
            "%31",
            "%00",
            "1%20",
        ] {
            refused(api.put(&format!("/v1/articles/{bad}/like")).user(1), 400, "bad-id").await?;
            refused(api.delete(&format!("/v1/articles/{bad}/collect")).user(1), 400, "bad-id").await?;
            refused(api.post(&format!("/v1/articles/{bad}/views")), 400, "bad-id").await?;
            refused(api.get(&format!("/v1/articles/{bad}/interactions")), 400, "bad-id").await?;
            refused(api.get(&format!("/v1/articles/{bad}/likers")), 400, "bad-id").await?;
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
            "?article_ids=x",
            "?article_ids=0",
            "?other=1",
            "?article_ids=1&article_ids=2",
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
            "cursor=",
            "cursor=1-2-0",
            "cursor=99999999999999999999-0-1",
        ] {
            refused(api.get(&format!("/v1/me/likes?{bad}")).user(1), 400, "bad-query").await?;
            refused(api.get(&format!("/v1/me/collects?{bad}")).user(1), 400, "bad-query").await?;
            refused(api.get(&format!("/v1/articles/1/likers?{bad}")), 400, "bad-query").await?;
            if bad.starts_with("limit") {
                refused(api.get(&format!("/v1/top/likes?{bad}")), 400, "bad-query").await?;
            }
        }
        for bad in ["", "week", "Hour", "60", "hour,day", "hour&window=day"] {
            refused(api.get(&format!("/v1/top/likes?window={bad}")), 400, "bad-query").await?;
        }
        Ok(())
    })
}

#[test]
fn a_body_that_is_not_understood_is_400_and_one_too_large_413() -> Result<()> {
    on_system(async |api, _| {
        let reads = || api.post("/v1/articles/1/reads");
        for bad in ["", "{", "[]", "null", "{}", "{\"view_token\":1}", "{\"view_token\":\"a\",\"view_token\":\"b\"}"] {
            refused(reads().body(bad), 400, "bad-body").await?;
        }
        refused(reads().body(vec![0xff_u8; 100]), 400, "bad-body").await?;
        refused(reads().body(vec![b'a'; 16 * 1024 + 1]), 413, "too-large").await?;
        refused(api.put("/v1/articles/1/like").user(1).body(vec![b'a'; 16 * 1024 + 1]), 413, "too-large").await
    })
}

#[test]
fn nobody_acts_without_a_token_that_holds() -> Result<()> {
    on_system(async |api, _| {
        for path in ["/v1/articles/1/like", "/v1/articles/1/collect"] {
            refused(api.put(path), 401, "token-missing").await?;
            // Nothing but the token names a user.
            refused(api.put(&format!("{path}?user_id=7")).header("x-user-id", "7"), 401, "token-missing").await?;
        }
        refused(api.get("/v1/me/likes"), 401, "token-missing").await?;
        refused(api.get("/v1/me/collects"), 401, "token-missing").await?;

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
            with("sub", json!("0")),
            with("sub", json!("me")),
            stack::token_with(&good, "another key of more than 32 characters"),
            "not.a.token".to_owned(),
        ];
        for token in bad {
            let bearer = format!("Bearer {token}");
            refused(api.put("/v1/articles/1/like").header("authorization", &bearer), 401, "token-invalid").await?;
            // A bad token is refused also where none is needed.
            for path in [
                "/v1/articles/1/interactions",
                "/v1/interactions?article_ids=1",
                "/v1/interactions/totals?article_ids=1",
                "/v1/articles/1/likers",
                "/v1/top/likes",
            ] {
                refused(api.get(path).header("authorization", &bearer), 401, "token-invalid").await?;
            }
            refused(api.post("/v1/articles/1/views").header("authorization", &bearer), 401, "token-invalid").await?;
        }
        let answer = api.put("/v1/articles/1/like").send().await?;
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        let answer = api.put("/v1/articles/1/like").header("authorization", "Basic eDp5").send().await?;
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        Ok(())
    })
}

#[test]
fn an_unknown_path_is_404_and_a_wrong_method_405() -> Result<()> {
    on_system(async |api, _| {
        for path in [
            "/",
            "/v1",
            "/v2/articles/1/like",
            "/v1/articles/1",
            "/v1/articles/1/likes",
            "/v1/articles/1/like/x",
            "/v1/articles/1/interactions/x",
            "/v1/top",
            "/v1/top/likes/x",
            "/v1/interactions/total",
            "/healthz",
            "/healthz/other",
        ] {
            refused(api.get(path), 404, "not-found").await?;
        }
        for (path, allow) in
            [("/v1/articles/1/like", "PUT, DELETE"), ("/v1/articles/1/views", "POST"), ("/v1/interactions", "GET")]
        {
            refused(api.ask(reqwest::Method::PATCH, path), 405, "method-not-allowed").await?;
            assert_eq!(api.ask(reqwest::Method::PATCH, path).send().await?.header("allow"), allow);
        }
        Ok(())
    })
}

#[test]
fn a_barred_user_is_403_for_likes_and_favourites() -> Result<()> {
    on_system(async |api, stack| {
        const USER: i64 = 666;
        let article = 4001;
        let mut redis = tests::redis(&stack.redis_url()).await?;
        let () =
            redis::AsyncCommands::sadd(&mut redis, contract::keys::barred(tests::partition_of(article)), USER).await?;
        let mysql = sqlx::MySqlPool::connect(&stack.mysql_owner_url()).await?;
        sqlx::query("INSERT INTO user_bar (user_id, at, reason) VALUES (?, UTC_TIMESTAMP(3), 'test')")
            .bind(USER)
            .execute(&mysql)
            .await?;
        refused(api.put(&format!("/v1/articles/{article}/like")).user(USER), 403, "barred").await?;
        refused(api.put(&format!("/v1/articles/{article}/collect")).user(USER), 403, "barred").await
    })
}
