//! Who is counted as a visitor, and what is left on a device.

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::keys;
use futures::future::try_join_all;
use redis::AsyncCommands;
use serde_json::json;
use stack::Stack;
use tests::{Answer, Api, Ask, id};

use crate::{on_system, pod::pod};

fn views(api: &Api, article: i64) -> Ask {
    api.post(&format!("/v1/articles/{article}/views"))
}

/// A view that is answered by 200.
async fn viewed(ask: Ask) -> Result<Answer> {
    let answer = ask.send().await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    Ok(answer)
}

/// The pair of the cookie that an answer sets.
fn pair(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
}

fn uv(answer: &Answer) -> i64 {
    answer.body["uv"].as_i64().unwrap_or(-1)
}

#[test]
fn first_views_at_once_in_a_fresh_browser_are_one_visitor_and_each_is_read() -> Result<()> {
    on_system(async |api, _| {
        // All within one span of two seconds, unless a limit of two falls between them: then once more.
        for first in [5101, 5121, 5141] {
            let answers = try_join_all((first..first + 10).map(|article| viewed(views(&api, article)))).await?;
            let again = viewed(views(&api, first)).await?;
            let all = answers.iter().chain([&again]);
            if all.clone().any(|answer| pair(answer) != pair(&answers[0])) {
                continue;
            }
            assert!(pair(&again).starts_with("interaction_visitor="));
            assert_eq!((&again.body["pv"], uv(&again)), (&json!(2), 1));
            // The token decides, not a cookie: whichever of them the browser has kept.
            for (article, answer) in (first..).zip(&answers) {
                let body = json!({ "view_token": answer.body["view_token"] }).to_string();
                let read = api.post(&format!("/v1/articles/{article}/reads")).body(body);
                let read = read.header("cookie", "interaction_visitor=another").send().await?;
                assert_eq!(read.body["type"], "/v1/problems/view-token-early", "{read:?}");
            }
            return Ok(());
        }
        panic!("three times, first views within moments were two visitors");
    })
}

#[test]
fn a_view_token_does_not_say_who_the_visitor_is() -> Result<()> {
    on_system(async |api, _| {
        let ask = |article| views(&api, article).header("accept-language", "fr");
        let first = viewed(ask(5111)).await?;
        let cookie = pair(&first);
        let second = viewed(ask(5112).header("cookie", &cookie)).await?;
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).context("base64url");
        let (_, sealed) = cookie.split_once('=').context("a pair")?;
        let visitor = bytes(sealed)?[..16].to_vec();
        let tokens = [&first, &second].map(|answer| answer.body["view_token"].as_str().unwrap_or_default());
        let tokens = [bytes(tokens[0])?, bytes(tokens[1])?];
        for token in &tokens {
            assert!(!token.windows(16).any(|part| part == visitor));
        }
        // Nor that two views are one visitor's: what stands for the visitor, before the seal, is another each time.
        let [of_first, of_second] = tokens.map(|token| token[token.len() - 48..token.len() - 32].to_vec());
        assert_ne!(of_first, of_second);
        Ok(())
    })
}

/// How many keys of limits a partition has, and what they are.
async fn limits(stack: &Stack, of: i64) -> Result<Vec<String>> {
    let mut redis = tests::redis(&stack.redis_url()).await?;
    let all: Vec<String> = redis.keys(format!("{{{}}}:limit:view:*", tests::partition_of(of))).await?;
    Ok(all)
}

#[test]
fn nobody_is_given_a_cookie_in_cookieless_mode_and_a_visitor_is_an_address_and_an_agent() -> Result<()> {
    on_system(async |cookies, stack| {
        let (_pod, api) = pod(stack, "cookieless", &[("visitor_mode", "cookieless")]).await?;
        let own = viewed(views(&cookies, 5131)).await?;
        for (ask, pv, visitors) in [
            (views(&api, 5131), 2, 2),
            (views(&api, 5131), 3, 2),
            (views(&api, 5131).header("cookie", &pair(&own)), 4, 2),
            (views(&api, 5131).header("accept-language", "de"), 5, 2),
            (views(&api, 5131).header("user-agent", "ExampleNews/7.2 (iPhone; iOS 18.6)"), 6, 3),
            (views(&api, 5131).body(r#"{"consent":true}"#), 7, 3),
        ] {
            let answer = viewed(ask).await?;
            assert_eq!((&answer.body["pv"], uv(&answer)), (&json!(pv), visitors), "{answer:?}");
            assert_eq!(answer.header("set-cookie"), "");
            assert!(answer.body["view_token"].is_string());
        }
        // On another article the same visitor is counted once, too.
        for pv in [1, 2] {
            let answer = viewed(views(&api, 5132)).await?;
            assert_eq!((&answer.body["pv"], uv(&answer)), (&json!(pv), 1));
        }
        // Nothing is stored of the visitor but the limit, which goes by itself: no address, no agent.
        for key in limits(stack, 5131).await? {
            assert!(!key.contains("127.0.0.1") && !key.contains("Mozilla"), "{key}");
            let mut redis = tests::redis(&stack.redis_url()).await?;
            let ttl: i64 = redis.ttl(&key).await?;
            assert!(ttl <= 3600 && ttl != -1, "{key} stays {ttl} s");
        }
        Ok(())
    })
}

#[test]
fn who_asks_not_to_be_followed_gets_no_cookie_and_is_not_known_by_one() -> Result<()> {
    on_system(async |api, _| {
        let known = pair(&viewed(views(&api, 5133)).await?);
        // All are the one visitor that this address and browser is, without a cookie.
        for (pv, ask) in (2..).zip([
            views(&api, 5133).header("sec-gpc", "1"),
            views(&api, 5133).header("dnt", "1"),
            views(&api, 5133).body(r#"{"consent":false}"#),
            views(&api, 5133).body("consent=false").header("content-type", "application/x-www-form-urlencoded"),
            views(&api, 5133).body(r#"{"consent":false,"more":[1]}"#).header("cookie", &known),
            views(&api, 5133).header("sec-gpc", "1").header("cookie", &known),
        ]) {
            let answer = viewed(ask).await?;
            assert_eq!((&answer.body["pv"], uv(&answer)), (&json!(pv), 2), "{answer:?}");
            assert_eq!(answer.header("set-cookie"), "");
        }
        for body in [r#"{"consent":true}"#, "{}", r#"{"more":1}"#, ""] {
            let answer = viewed(views(&api, 5133).header("cookie", &known).body(body)).await?;
            assert_eq!(uv(&answer), 2, "the one with the cookie: {body}");
        }
        for body in [r#"{"consent":"no"}"#, "{", "consent"] {
            assert_eq!(views(&api, 5133).body(body).send().await?.body["type"], "/v1/problems/bad-body", "{body}");
        }
        Ok(())
    })
}

#[test]
fn crawlers_and_what_browsers_prepare_are_answered_and_not_counted() -> Result<()> {
    on_system(async |api, stack| {
        let first = viewed(views(&api, 5134)).await?;
        let expected = json!({"article_id": "5134", "pv": 1, "uv": 1, "view_token": null, "read_after_seconds": 5});
        let before = limits(stack, 5134).await?.len();
        let bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        for ask in [
            views(&api, 5134).header("user-agent", bot),
            views(&api, 5134).header("user-agent", bot).header("cookie", &pair(&first)),
            views(&api, 5134).header("user-agent", "curl/8.14.1"),
            views(&api, 5134).header("user-agent", ""),
            views(&api, 5134).header("sec-purpose", "prefetch"),
            views(&api, 5134).header("sec-purpose", "prefetch;prerender"),
            views(&api, 5134).header("purpose", "prefetch"),
            views(&api, 5134).header("x-moz", "prefetch"),
            views(&api, 5134).header("sec-purpose", "prefetch").user(5134),
        ] {
            let answer = viewed(ask).await?;
            assert_eq!((&answer.body, answer.header("set-cookie")), (&expected, ""), "{answer:?}");
        }
        assert!(limits(stack, 5134).await?.len() <= before, "no limit is charged");
        // A signed-in user is a person, whatever the program is.
        let user = viewed(views(&api, 5134).header("user-agent", "curl/8.14.1").user(5134)).await?;
        assert_eq!((&user.body["pv"], uv(&user)), (&json!(2), 2));
        assert!(user.body["view_token"].is_string());
        // An article that nobody viewed leaves nothing behind.
        let none = viewed(views(&api, 5135).header("user-agent", bot)).await?;
        assert_eq!((&none.body["pv"], uv(&none)), (&json!(0), 0));
        let mut redis = tests::redis(&stack.redis_url()).await?;
        for key in [keys::pv(id(5135)), keys::uv(id(5135))] {
            let there: bool = redis.exists(&key).await?;
            assert!(!there, "{key}");
        }
        Ok(())
    })
}

#[test]
fn the_cookie_has_the_path_and_the_partition_of_its_variables() -> Result<()> {
    on_system(async |_, stack| {
        let embedded = [
            ("cookie_path", "/api/v1"),
            ("cookie_partitioned", "true"),
            ("cookie_same_site", "None"),
            ("cookie_secure", "true"),
        ];
        let (_pod, api) = pod(stack, "embedded", &embedded).await?;
        let answer = viewed(views(&api, 5136)).await?;
        let cookie = answer.header("set-cookie");
        assert!(cookie.ends_with("; Path=/api/v1; SameSite=None; Secure; Partitioned"), "{cookie}");

        let (app, api) = pod(stack, "misfit", &[("cookie_partitioned", "true")]).await?;
        let refused = views(&api, 5136).send().await?;
        assert_eq!((refused.status.as_u16(), &refused.body["type"]), (503, &json!("/v1/problems/misconfigured")));
        assert_eq!(api.get("/v1/articles/5136/interactions").send().await?.status, 200, "other components go on");
        let log = std::fs::read_to_string(app.log())?;
        assert!(log.contains("variable cookie_partitioned: needs cookie_secure=true"), "{log}");
        Ok(())
    })
}
