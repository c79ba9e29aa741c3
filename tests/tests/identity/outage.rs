//! A provider that is down, hangs or answers something else than keys; and Redis down.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use stack::wait_for;

use super::{COUNTERS, Issuer, Key, MINE, PATIENCE, Pod, Shared, issuer::Says, on_system, token};

/// How long a request may take that must not wait for the provider: less than the 2 s which that may take.
const AT_ONCE: Duration = Duration::from_millis(1500);

fn set(key: &Key) -> Vec<Value> {
    vec![key.jwk(&json!({"use": "sig"}))]
}

fn raw(status: &str, headers: &str, body: &str) -> Says {
    Says::Raw(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
}

/// Whatever is wrong with the provider, and what the log says of it.
fn failures(key: &Key, elsewhere: &Issuer) -> Vec<(&'static str, Says, &'static str)> {
    let good = json!({"keys": set(key)}).to_string();
    let padded = format!("{}{}", " ".repeat(64 * 1024), good);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}",
        format!("4000\r\n{}\r\n", " ".repeat(0x4000)).repeat(8)
    );
    let unusable = json!({"keys": [key.jwk(&json!({"use": "enc"}))]}).to_string();
    vec![
        ("is down", Says::Nothing, "the request fails"),
        ("hangs", Says::Hangs, "no answer within 2 s"),
        ("stalls", Says::Stalls("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{\"keys\":".to_owned()), "within 2 s"),
        ("answers HTML", raw("200 OK", "content-type: text/html\r\n", "<html>Sign in</html>"), "it is no JSON"),
        ("answers 500", raw("500 Internal Server Error", "", &good), "status 500"),
        ("answers 429", raw("429 Too Many Requests", "", ""), "status 429"),
        ("answers too much", raw("200 OK", "", &padded), "the answer is over 64 KiB"),
        ("answers without end", Says::Stalls(chunked), "the answer is over 64 KiB"),
        ("redirects", raw("302 Found", &format!("location: {}\r\n", elsewhere.keys_url()), ""), "status 302"),
        (
            "breaks off",
            Says::Raw("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{}".to_owned()),
            "the answer broke off",
        ),
        ("has no keys", raw("200 OK", "", r#"{"keys":[]}"#), "no key in it can be used"),
        ("has no usable key", raw("200 OK", "", &unusable), "no key in it can be used"),
        ("answers a list", raw("200 OK", "", "[]"), "it has no list of keys"),
        ("answers bytes", raw("200 OK", "", "\u{0}\u{1}"), "it is no JSON"),
    ]
}

#[test]
fn while_the_provider_fails_the_last_good_set_stays_in_use_however_old() -> Result<()> {
    on_system(async |stack| {
        let (key, foreign) = (Key::p256("one"), Key::p256("two"));
        let issuer = Issuer::start(Says::Keys(set(&key))).await?;
        let elsewhere = Issuer::start(Says::Keys(set(&foreign))).await?;
        let pod = Pod::of(stack, "keeps", &issuer, &[]).await?;
        assert!(pod.takes(&token(&issuer, &key)).await?);
        let mut shared = Shared::of(stack, &issuer).await?;
        for (what, says, logged) in failures(&key, &elsewhere) {
            issuer.says(says);
            // An hour, again and again.
            shared.age(3600).await?;
            let (asked, before) = (issuer.asked(), shared.sealed().await?);
            pod.app.restart().await?;
            let good = token(&issuer, &key);
            for _ in 0..10 {
                let began = Instant::now();
                assert!(pod.takes(&good).await?, "{what}");
                assert!(began.elapsed() < AT_ONCE, "{what}: no request waits for the provider: {:?}", began.elapsed());
            }
            assert_eq!(pod.asked(&token(&issuer, &foreign)).await?.0, 401, "{what}");
            let line = format!("{logged}; the last good set stays in use");
            wait_for(&line, PATIENCE, async || Ok(pod.log()?.contains(&line).then_some(()))).await?;
            assert!(pod.takes(&good).await?, "{what}");
            assert_eq!(issuer.asked(), asked + 1, "{what}: asked once in half a minute");
            assert_eq!(shared.sealed().await?, before, "{what}: nothing else is shared");
        }
        assert_eq!(elsewhere.asked(), 0, "a redirect is not followed");
        // It comes back.
        issuer.says(Says::Keys(set(&foreign)));
        shared.end_turn().await?;
        pod.app.restart().await?;
        wait_for("the provider's new keys", PATIENCE, async || {
            Ok(pod.takes(&token(&issuer, &foreign)).await?.then_some(()))
        })
        .await
    })
}

#[test]
fn without_any_set_tokens_are_answered_503_and_everybody_else_as_usual() -> Result<()> {
    on_system(async |stack| {
        let key = Key::p256("one");
        let issuer = Issuer::start(Says::Hangs).await?;
        let pod = Pod::of(stack, "first-start", &issuer, &[]).await?;
        let good = token(&issuer, &key);
        let first = Instant::now();
        for round in 0..3 {
            for path in [COUNTERS, MINE] {
                let began = Instant::now();
                let answer = pod.ask(path, &good).await?;
                assert_eq!(answer.status, 503, "{answer:?}");
                assert_eq!(answer.body["type"], "/v1/problems/keys-unavailable");
                assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
                // The 2 s of the provider, and as much again for a busy machine.
                let asks = round == 0 || first.elapsed() > Duration::from_secs(4);
                let most = if asks { Duration::from_secs(4) } else { AT_ONCE };
                assert!(began.elapsed() < most, "{:?}", began.elapsed());
            }
        }
        let most = 1 + first.elapsed().as_secs() / 5;
        assert!(u64::try_from(issuer.asked())? <= most, "asked once in five seconds: {} of {most}", issuer.asked());
        assert_eq!(pod.api.get(COUNTERS).send().await?.status, 200);
        assert_eq!(pod.api.post("/v1/articles/1/views").send().await?.status, 200);
        assert_eq!(pod.api.get(MINE).send().await?.status, 401);
        for component in ["toggle", "read", "queries"] {
            assert_eq!(pod.api.get(&format!("/healthz/{component}")).send().await?.status, 200, "{component}");
        }
        let said = "no answer within 2 s; there is no set; asked again in 5 s";
        assert!(pod.log()?.contains(said), "{}", pod.log()?);
        issuer.says(Says::Keys(set(&key)));
        wait_for("the first set", PATIENCE, async || Ok(pod.takes(&good).await?.then_some(()))).await
    })
}

#[test]
fn without_redis_each_instance_fetches_for_itself() -> Result<()> {
    on_system(async |stack| {
        let (key, new) = (Key::p256("one"), Key::p256("two"));
        let issuer = Issuer::start(Says::Keys(set(&key))).await?;
        let nowhere = [("redis_url", "redis://127.0.0.1:1"), ("redis_address", "redis://127.0.0.1:1")];
        let pod = Pod::of(stack, "without-redis", &issuer, &nowhere).await?;
        let answer = pod.ask(COUNTERS, &token(&issuer, &key)).await?;
        assert_eq!((answer.status.as_u16(), &answer.body["liked"]), (200, &json!(false)), "a user is answered");
        assert_eq!(pod.ask(MINE, &token(&issuer, &key)).await?.status, 200);
        assert_eq!(pod.asked(&token(&issuer, &new)).await?.0, 401);
        assert!(issuer.asked() >= 1);
        // What nobody can share is fetched by the next instance.
        issuer.says(Says::Keys(set(&new)));
        pod.app.restart().await?;
        assert!(pod.takes(&token(&issuer, &new)).await?);
        Ok(())
    })
}
