//! Settings that leave nobody to be identified, and what is said of them.

use anyhow::Result;
use serde_json::{Value, json};
use stack::dev;

use super::{COUNTERS, Issuer, Key, MINE, Pod, issuer::Says, on_system, token};

async fn status(pod: &Pod, path: &str) -> Result<u16> {
    Ok(pod.api.get(path).send().await?.status.as_u16())
}

#[test]
fn a_key_set_without_a_usable_key_refuses_tokens_and_nothing_else() -> Result<()> {
    on_system(async |stack| {
        let key = Key::rsa("encrypts");
        for (name, keys) in [
            ("no-key", json!([])),
            ("no-usable-key", json!([key.jwk(&json!({"use": "enc"})), {"kty": "oct", "kid": "weak", "k": "c2VjcmV0"}])),
        ] {
            let set = json!({"keys": keys}).to_string();
            let pod = Pod::start(stack, name, &[("jwt_keys", &set)]).await?;
            for path in [COUNTERS, MINE] {
                let answer = pod.ask(path, &stack::token("7")).await?;
                assert_eq!((answer.status.as_u16(), &answer.body["type"]), (503, &json!("/v1/problems/misconfigured")));
            }
            assert_eq!(status(&pod, COUNTERS).await?, 200);
            for component in ["toggle", "read", "queries"] {
                assert_eq!(status(&pod, &format!("/healthz/{component}")).await?, 200, "{component}");
            }
            let log = pod.log()?;
            assert!(log.contains("variable jwt_keys: no key can be used, so no token is accepted"), "{log}");
            for kid in keys.as_array().into_iter().flatten().filter_map(|key| key["kid"].as_str()) {
                assert!(log.contains(&format!("variable jwt_keys: key Some({kid:?}) is skipped: its ")), "{log}");
            }
            assert!(!log.contains("c2VjcmV0"), "the log shows no key");
        }
        Ok(())
    })
}

#[test]
fn a_fixed_set_with_keys_of_other_uses_is_taken_and_they_are_named_once() -> Result<()> {
    on_system(async |stack| {
        let (encrypts, signs) = (Key::rsa("encrypts-here"), Key::rsa("signs"));
        let keys = json!({"keys": [encrypts.jwk(&json!({"use": "enc"})), signs.jwk(&json!({}))]}).to_string();
        let pod = Pod::start(stack, "fixed", &[("jwt_keys", &keys)]).await?;
        let claims =
            json!({"sub": "7", "iss": dev("JWT_ISSUER"), "aud": dev("JWT_AUDIENCE"), "exp": super::now() + 60});
        let good = signs.token(&json!({}), &claims);
        for _ in 0..3 {
            for path in [COUNTERS, MINE] {
                assert_eq!(pod.ask(path, &good).await?.status, 200);
            }
            let authorization = format!("Bearer {good}");
            let view = pod.api.post("/v1/articles/1/views").header("authorization", &authorization).send().await?;
            assert_eq!(view.status, 200);
            pod.app.restart().await?;
        }
        let log = pod.log()?;
        assert_eq!(log.matches(r#"key Some("encrypts-here") is skipped: its use is not sig"#).count(), 1, "{log}");
        Ok(())
    })
}

#[test]
fn an_empty_set_beside_a_url_is_none() -> Result<()> {
    on_system(async |stack| {
        let key = Key::p256("one");
        let issuer = Issuer::start(Says::Keys(vec![key.jwk(&json!({}))])).await?;
        let pod = Pod::of(stack, "empty-beside", &issuer, &[("jwt_keys", r#"{"keys":[]}"#)]).await?;
        assert!(pod.takes(&token(&issuer, &key)).await?);
        Ok(())
    })
}

/// An instance that cannot know what is meant answers nothing, so that no rollout replaces one that works by it.
#[test]
fn settings_that_contradict_each_other_are_named_and_make_no_instance_ready() -> Result<()> {
    on_system(async |stack| {
        let url = ("jwt_keys_url", "https://issuer.example.com/keys");
        for (name, variables, logged) in [
            ("neither", vec![("jwt_keys", "")], "variable jwt_keys: set this or jwt_keys_url"),
            ("both", vec![url], "variable jwt_keys: set this or jwt_keys_url, not both"),
            ("no-json", vec![("jwt_keys", "<html>")], "variable jwt_keys: it is no JSON"),
            ("no-cache-key", vec![("jwt_keys", ""), url, ("jwt_cache_key", "short")], "variable jwt_cache_key: "),
            ("no-url", vec![("jwt_keys", ""), ("jwt_keys_url", "issuer.example.com")], "variable jwt_keys_url: "),
            ("no-issuer", vec![("jwt_issuers", " ,")], "variable jwt_issuers: it is empty"),
            ("no-claim", vec![("jwt_user_claim", "")], "variable jwt_user_claim: it is empty"),
        ] {
            let app = stack.app.another(name, &variables)?;
            app.start().await?;
            let answer = tests::Api::new(app.url().to_owned()).get("/healthz/toggle").send().await?;
            assert_eq!((answer.status.as_u16(), &answer.body["type"]), (503, &json!("/v1/problems/misconfigured")));
            let log = std::fs::read_to_string(app.log())?;
            assert!(log.contains(logged), "{name}: {log}");
        }
        Ok(())
    })
}

#[test]
fn a_provider_that_the_manifest_does_not_permit_is_not_asked_and_the_log_says_which_variable_permits_it() -> Result<()>
{
    on_system(async |stack| {
        let key = Key::p256("one");
        let issuer = Issuer::start(Says::Keys(vec![key.jwk(&json!({}))])).await?;
        for (name, address) in [("not-permitted", ""), ("other-permitted", "http://127.0.0.1:1")] {
            let pod = Pod::of(stack, name, &issuer, &[("jwt_keys_address", address)]).await?;
            assert_eq!(pod.asked(&token(&issuer, &key)).await?, (503, "keys-unavailable".to_owned()));
            assert_eq!(pod.api.get(COUNTERS).send().await?.body["liked"], Value::Null);
            let line = "jwt_keys_url: not permitted: jwt_keys_address must name its scheme, host and port";
            // Whoever asked first.
            assert!(name == "other-permitted" || pod.log()?.contains(line), "{}", pod.log()?);
        }
        assert_eq!(issuer.asked(), 0);
        Ok(())
    })
}
