use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use contract::Kind;
use serde_json::{Value, json};
use sqlx::MySqlPool;
use stack::wait_for;
use tests::Api;

use crate::on_system;

/// A view, with the visitor's cookie if there is one. Returns the answer and the cookie it set.
async fn view(api: &Api, article: i64, cookie: Option<&str>) -> Result<(Value, String)> {
    let ask = api.post(&format!("/v1/articles/{article}/views"));
    let answer = match cookie {
        Some(cookie) => ask.header("cookie", cookie),
        None => ask,
    };
    let answer = answer.send().await?;
    anyhow::ensure!(answer.status == 200, "{answer:?}");
    Ok((answer.body.clone(), answer.header("set-cookie").to_owned()))
}

fn body(token: &Value) -> String {
    json!({ "view_token": token }).to_string()
}

#[test]
fn page_views_count_requests_and_visitors_count_cookies_and_users() -> Result<()> {
    on_system(async |api, _| {
        let (first, cookie) = view(&api, 5001, None).await?;
        assert_eq!((&first["pv"], &first["uv"], &first["read_after_seconds"]), (&json!(1), &json!(1), &json!(5)));
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/v1;", "Max-Age="] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        let known = cookie.split(';').next().context("a pair")?;
        let (again, no_cookie) = view(&api, 5001, Some(known)).await?;
        assert_eq!((&again["pv"], &again["uv"], no_cookie.as_str()), (&json!(2), &json!(1), ""));
        // Another browser behind the same address, and so another visitor at once.
        let stranger = api.post("/v1/articles/5001/views").header("cookie", "interaction_visitor=forged");
        let stranger = stranger.header("accept-language", "de").good().await?;
        assert_eq!((&stranger["pv"], &stranger["uv"]), (&json!(3), &json!(2)));
        for (pv, uv) in [(4, 3), (5, 3)] {
            let user = api.post("/v1/articles/5001/views").user(77).good().await?;
            assert_eq!((&user["pv"], &user["uv"]), (&json!(pv), &json!(uv)));
        }
        Ok(())
    })
}

#[test]
fn a_read_counts_from_five_seconds_after_its_view_and_once() -> Result<()> {
    on_system(async |api, stack| {
        let began = Instant::now();
        let of_user = api.post("/v1/articles/5002/views").user(78).good().await?["view_token"].clone();
        let (of_visitor, cookie) = view(&api, 5002, None).await?;
        let of_visitor = of_visitor["view_token"].clone();
        let reads = || api.post("/v1/articles/5002/reads");

        let early = reads().body(body(&of_user)).send().await?;
        assert_eq!((early.status.as_u16(), &early.body["type"]), (422, &json!("/v1/problems/view-token-early")));
        let wait: u64 = early.header("retry-after").parse()?;
        assert!((1..=5).contains(&wait), "{wait} s");

        // As a beacon sends it: no headers of its own, and text.
        let counted = wait_for("the read to be taken", Duration::from_secs(30), async || {
            let answer = reads().body(body(&of_user)).header("content-type", "text/plain").send().await?;
            Ok((answer.status != 422).then_some(answer))
        })
        .await?;
        assert!(began.elapsed() >= Duration::from_secs(5), "after {:?}", began.elapsed());
        assert_eq!(counted.body, json!({"article_id": "5002", "reads": 1, "counted": true}));
        let again = reads().body(body(&of_user)).good().await?;
        assert_eq!(again, json!({"article_id": "5002", "reads": 1, "counted": false}));

        // Another user cannot use it, nor another article; whoever has it can, once, whatever the cookie is by now.
        let pair = |cookie: &str| cookie.split(';').next().unwrap_or_default().to_owned();
        for ask in [
            reads().body(body(&of_visitor)).user(79),
            reads().body(body(&of_user)).user(79),
            api.post("/v1/articles/5003/reads").body(body(&of_user)),
            reads().body(body(&json!("nonsense"))),
            reads().body(body(&json!(pair(&cookie).split_once('=').context("a pair")?.1))),
        ] {
            let refused = ask.send().await?;
            assert_eq!(
                (refused.status.as_u16(), &refused.body["type"]),
                (422, &json!("/v1/problems/view-token-invalid"))
            );
        }
        let counted = reads().body(body(&of_visitor)).header("cookie", "interaction_visitor=another").good().await?;
        assert_eq!(counted, json!({"article_id": "5002", "reads": 2, "counted": true}));

        // A view token is no identity.
        let token = of_user.as_str().context("a token")?;
        for kind in Kind::ALL.iter().copied() {
            let ask = api.switch(kind, 5002, true).header("authorization", &format!("Bearer {token}"));
            assert_eq!(ask.send().await?.status, 401);
        }

        // Views, visitors and reads become rows.
        let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
        wait_for("the snapshot of the article", Duration::from_mins(1), async || {
            let row: Option<(i64, i64, i64)> =
                sqlx::query_as("SELECT pv, uv, read_count FROM article_stats WHERE article_id = 5002")
                    .fetch_optional(&mysql)
                    .await?;
            Ok((row == Some((2, 2, 2))).then_some(()))
        })
        .await?;
        let readers: Vec<(i64,)> =
            sqlx::query_as("SELECT user_id FROM user_read WHERE article_id = 5002").fetch_all(&mysql).await?;
        assert_eq!(readers, [(78,)], "only the signed-in reader is named");
        Ok(())
    })
}

#[test]
fn a_body_that_does_not_come_is_given_up() -> Result<()> {
    on_system(async |_, stack| {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let address = stack.http_url().trim_start_matches("http://").to_owned();
        let mut connection = tokio::net::TcpStream::connect(&address).await?;
        let head =
            format!("POST /v1/articles/5004/reads HTTP/1.1\r\nHost: {address}\r\nContent-Length: 100\r\n\r\n{{\"view");
        connection.write_all(head.as_bytes()).await?;
        let mut answer = vec![0; 12];
        tokio::time::timeout(Duration::from_mins(1), connection.read_exact(&mut answer)).await??;
        assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 400");
        Ok(())
    })
}
