//! What a caller and an operator learn of a token that is refused.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use stack::dev;
use tests::Answer;

use super::{COUNTERS, MINE, Pod, now, on_system};

fn claims(changed: &Value) -> Value {
    let mut claims = json!({"sub": "7", "iss": dev("JWT_ISSUER"), "aud": dev("JWT_AUDIENCE"), "exp": now() + 600});
    for (name, value) in changed.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    claims
}

fn token(changed: &Value) -> String {
    stack::token_with(&claims(changed), dev("JWT_KEY"))
}

#[test]
fn a_refused_token_is_answered_with_the_reason_and_logged_with_it_once_a_minute() -> Result<()> {
    on_system(async |stack| {
        let pod = Pod::start(stack, "reasons", &[]).await?;
        let unknown = super::Key::symmetric("nobody-s", dev("JWT_KEY")).token(&json!({}), &claims(&json!({})));
        let cases = [
            (token(&json!({"exp": now() - 120})), "the token has expired", "The token has expired"),
            (token(&json!({"nbf": now() + 120})), "the token is not yet valid", "The token is not yet valid"),
            (token(&json!({"iss": "https://another.example"})), "wrong issuer", "Wrong issuer"),
            (token(&json!({"aud": "another"})), "wrong audience", "Wrong audience"),
            (unknown, "unknown key", "Unknown key"),
            (stack::token_with(&claims(&json!({})), "another key"), "bad signature", "Bad signature"),
            ("opaque".to_owned(), "the token is malformed", "The token is malformed"),
            (token(&json!({"more": "a".repeat(9000)})), "the token is too large", "The token is too large"),
            (token(&json!({"sub": null})), "no usable user claim", "No usable user claim"),
        ];
        for (token, summary, detail) in &cases {
            for path in [COUNTERS, MINE] {
                for _ in 0..3 {
                    let answer = pod.ask(path, token).await?;
                    assert_eq!(
                        (answer.status.as_u16(), &answer.body["type"]),
                        (401, &json!("/v1/problems/token-invalid"))
                    );
                    let expected = format!("Bearer error=\"invalid_token\", error_description=\"{summary}\"");
                    assert_eq!(answer.header("www-authenticate"), expected);
                    assert!(answer.body["detail"].as_str().is_some_and(|text| text.starts_with(detail)), "{answer:?}");
                    let said = format!("{:?} {}", answer.headers, answer.body);
                    assert!(!said.contains(token.as_str()) || token.len() < 10, "the token is not quoted");
                }
            }
        }
        let log = pod.log()?;
        for (token, summary, _) in &cases {
            let line = format!("token refused: {summary} (");
            let lines = log.matches(&line).count();
            // An instance says it once; one that was idle for a second is another.
            assert!((1..6).contains(&lines), "{summary}: {lines} times\n{log}");
            assert!(!log.contains(token.as_str()) || token.len() < 10, "the token is not logged");
        }
        Ok(())
    })
}

#[test]
fn a_token_of_5_kb_is_taken_and_one_over_8_kib_is_called_too_large() -> Result<()> {
    on_system(async |stack| {
        let pod = Pod::start(stack, "large", &[]).await?;
        let of = |length: usize| token(&json!({"groups": "g".repeat(length)}));
        let (fits, too_large) = (of(5_800), of(6_100));
        assert!((7_900..=8_192).contains(&fits.len()) && too_large.len() > 8_192);
        assert!(pod.takes(&of(3_600)).await? && pod.takes(&fits).await?);
        let answer = pod.ask(COUNTERS, &too_large).await?;
        assert!(answer.body["detail"].as_str().is_some_and(|detail| detail.contains("too large")), "{answer:?}");
        Ok(())
    })
}

#[test]
fn other_schemes_than_bearer_count_as_no_identity() -> Result<()> {
    on_system(async |stack| {
        let pod = Pod::start(stack, "staging", &[]).await?;
        let ask = async |method: Method, path: &str| -> Result<Answer> {
            pod.api.ask(method, path).header("authorization", "Basic c3RhZ2luZzpwYXNzd29yZA==").send().await
        };
        let counters = ask(Method::GET, COUNTERS).await?;
        assert_eq!((counters.status.as_u16(), &counters.body["liked"]), (200, &Value::Null));
        assert_eq!(ask(Method::POST, "/v1/articles/1/views").await?.status, 200);
        for (method, path) in [(Method::PUT, "/v1/articles/1/like"), (Method::GET, MINE)] {
            let answer = ask(method, path).await?;
            assert_eq!((answer.status.as_u16(), &answer.body["type"]), (401, &json!("/v1/problems/token-missing")));
        }
        Ok(())
    })
}
