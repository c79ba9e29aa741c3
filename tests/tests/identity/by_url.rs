//! A key set by its URL: fetched, shared, and followed when the provider changes it.

use anyhow::Result;
use futures::future::join_all;
use handler_common::SharedKeys;
use serde_json::json;
use stack::{dev, wait_for};

use super::{COUNTERS, Issuer, Key, PATIENCE, Pod, Shared, claims, issuer::Says, keys, now, on_system, token};

fn published(keys: &[&Key]) -> Says {
    Says::Keys(keys.iter().map(|key| key.jwk(&json!({"use": "sig"}))).collect())
}

#[test]
fn a_key_set_is_fetched_once_for_all_instances() -> Result<()> {
    on_system(async |stack| {
        let key = Key::p256("one");
        let issuer = Issuer::start(published(&[&key])).await?;
        let (first, second) = tokio::try_join!(
            Pod::of(stack, "fetches-first", &issuer, &[]),
            Pod::of(stack, "fetches-second", &issuer, &[])
        )?;
        assert_eq!(issuer.asked(), 0, "nobody has sent a token");
        assert_eq!(first.api.get(COUNTERS).send().await?.status, 200);
        let good = token(&issuer, &key);
        // Three components of two processes, and each several times at once.
        for pod in [&first, &second] {
            let at_once = (0..8).map(|_| pod.takes(&good));
            for taken in join_all(at_once).await {
                assert!(taken?);
            }
            let authorization = format!("Bearer {good}");
            let viewed = pod.api.post("/v1/articles/1/views").header("authorization", &authorization).send().await?;
            assert_eq!(viewed.status, 200);
            assert_eq!(pod.ask("/v1/me/likes", &good).await?.status, 200);
        }
        assert_eq!(issuer.asked(), 1);
        Ok(())
    })
}

/// The provider rotates its keys.
#[test]
fn a_key_that_the_provider_adds_is_fetched_when_a_token_names_it() -> Result<()> {
    on_system(async |stack| {
        let (old, new) = (Key::p256("old"), Key::rsa("new"));
        let issuer = Issuer::start(published(&[&old])).await?;
        let pod = Pod::of(stack, "rotates", &issuer, &[]).await?;
        assert!(pod.takes(&token(&issuer, &old)).await?);
        issuer.says(published(&[&old, &new]));
        let mut shared = Shared::of(stack, &issuer).await?;

        // Half a minute has not passed since the provider was asked.
        let answer = pod.ask(COUNTERS, &token(&issuer, &new)).await?;
        assert_eq!((answer.status.as_u16(), issuer.asked()), (401, 1));
        assert!(answer.body["detail"].as_str().is_some_and(|detail| detail.starts_with("Unknown key")), "{answer:?}");

        shared.end_turn().await?;
        pod.app.restart().await?;
        assert!(pod.takes(&token(&issuer, &old)).await?);
        assert_eq!(issuer.asked(), 1, "a set that is fresh is not fetched for a key that it has");
        // All of them at once: each is taken, by one fetch.
        let good = token(&issuer, &new);
        for taken in join_all((0..16).map(|_| pod.takes(&good))).await {
            assert!(taken?);
        }
        assert_eq!(issuer.asked(), 2);
        Ok(())
    })
}

/// The set that another instance has shared is from before the rotation, and its clock may be fast.
#[test]
fn a_key_that_a_set_of_another_instance_lacks_is_fetched_too() -> Result<()> {
    on_system(async |stack| {
        for (name, fast_ms) in [("lacks", 1), ("lacks-fast", 50_000)] {
            let (old, new) = (Key::p256("old"), Key::p256("new"));
            let issuer = Issuer::start(published(&[&old])).await?;
            let pod = Pod::of(stack, name, &issuer, &[]).await?;
            assert!(pod.takes(&token(&issuer, &old)).await?);
            // One that has fetched a set by itself asks nobody for half a minute.
            pod.app.restart().await?;
            assert!(pod.takes(&token(&issuer, &old)).await?);
            let mut shared = Shared::of(stack, &issuer).await?;
            let mut keys = shared.get().await?;
            keys.fetched_ms = now() * 1000 + fast_ms;
            shared.put(&keys.seal(dev("JWT_CACHE_KEY"), &issuer.keys_url())).await?;
            shared.end_turn().await?;
            issuer.says(published(&[&old, &new]));
            assert!(pod.takes(&token(&issuer, &new)).await?, "{name}");
            assert_eq!(issuer.asked(), 2);
            assert!(shared.get().await?.fetched_ms > keys.fetched_ms, "{name}: others take it into use, too");
        }
        Ok(())
    })
}

#[test]
fn names_of_keys_that_do_not_exist_make_nobody_ask_the_provider_again() -> Result<()> {
    on_system(async |stack| {
        let (key, foreign) = (Key::p256("one"), Key::p256("foreign"));
        let issuer = Issuer::start(published(&[&key])).await?;
        let pods = [
            Pod::of(stack, "flooded-first", &issuer, &[]).await?,
            Pod::of(stack, "flooded-second", &issuer, &[]).await?,
        ];
        assert!(pods[0].takes(&token(&issuer, &key)).await?);
        Shared::of(stack, &issuer).await?.end_turn().await?;
        for round in 0..3 {
            let forged: Vec<String> =
                (0..20).map(|at| foreign.token(&json!({"kid": format!("{round}-{at}")}), &claims(&issuer))).collect();
            let refused = join_all(pods.iter().flat_map(|pod| forged.iter().map(|forged| pod.asked(forged)))).await;
            for refused in refused {
                assert_eq!(refused?, (401, "token-invalid".to_owned()));
            }
        }
        assert!(issuer.asked() <= 2, "{} times in half a minute", issuer.asked());
        Ok(())
    })
}

#[test]
fn a_key_that_the_provider_removes_is_refused_once_the_set_is_no_longer_fresh() -> Result<()> {
    on_system(async |stack| {
        let (old, new) = (Key::p256("old"), Key::p256("new"));
        let issuer = Issuer::start(published(&[&old, &new])).await?;
        let pod = Pod::of(stack, "removes", &issuer, &[]).await?;
        assert!(pod.takes(&token(&issuer, &old)).await?);
        issuer.says(published(&[&new]));
        let mut shared = Shared::of(stack, &issuer).await?;
        shared.age(599 - 60).await?;
        pod.app.restart().await?;
        assert!(pod.takes(&token(&issuer, &old)).await?);
        assert_eq!(issuer.asked(), 1, "it is fresh for ten minutes");
        shared.age(61).await?;
        pod.app.restart().await?;
        wait_for("the removed key to be refused", PATIENCE, async || {
            Ok((!pod.takes(&token(&issuer, &old)).await?).then_some(()))
        })
        .await?;
        assert!(pod.takes(&token(&issuer, &new)).await?);
        assert_eq!(issuer.asked(), 2);
        Ok(())
    })
}

#[test]
fn a_set_is_fresh_for_as_long_as_the_provider_says() -> Result<()> {
    on_system(async |stack| {
        let key = Key::p256("one");
        let issuer = Issuer::start(Says::KeysFor(vec![key.jwk(&json!({}))], 120)).await?;
        let pod = Pod::of(stack, "fresh", &issuer, &[]).await?;
        assert!(pod.takes(&token(&issuer, &key)).await?);
        let mut shared = Shared::of(stack, &issuer).await?;
        let keys = shared.get().await?;
        assert_eq!(keys.fresh_s, 120);
        assert!(keys.fetched_ms.abs_diff(now() * 1000) < 60_000);
        shared.age(125).await?;
        pod.app.restart().await?;
        wait_for("the next fetch", PATIENCE, async || {
            assert!(pod.takes(&token(&issuer, &key)).await?);
            Ok((issuer.asked() == 2).then_some(()))
        })
        .await
    })
}

#[test]
fn whoever_can_write_to_redis_cannot_make_keys() -> Result<()> {
    on_system(async |stack| {
        let (key, forger) = (Key::p256("one"), Key::p256("forged"));
        let issuer = Issuer::start(published(&[&key])).await?;
        let pod = Pod::of(stack, "forged", &issuer, &[]).await?;
        assert!(pod.takes(&token(&issuer, &key)).await?);
        let mut shared = Shared::of(stack, &issuer).await?;
        let text = json!({"keys": [forger.jwk(&json!({}))]}).to_string();
        let made_up = SharedKeys { fetched_ms: now() * 1000 + 1, fresh_s: 3600, text };
        let of_another_url = made_up.seal(dev("JWT_CACHE_KEY"), "http://127.0.0.1/another");
        let sealed = shared.sealed().await?;
        let (head, _) = sealed.split_at(sealed.find('{').expect("a set"));
        for sealed in [
            made_up.seal("a key that the forger has, of 32 characters", &issuer.keys_url()),
            of_another_url,
            format!("{head}{}", made_up.text),
            made_up.text.clone(),
            String::new(),
        ] {
            shared.put(&sealed).await?;
            shared.end_turn().await?;
            pod.app.restart().await?;
            assert!(!pod.takes(&token(&issuer, &forger)).await?, "{sealed}");
            assert!(pod.takes(&token(&issuer, &key)).await?, "{sealed}");
        }
        Ok(())
    })
}

#[test]
fn a_key_that_cannot_be_used_is_skipped_and_named_in_the_log() -> Result<()> {
    on_system(async |stack| {
        let (key, other) = (keys::Key::rsa("signs"), keys::Key::rsa("encrypts"));
        let unusable =
            [other.jwk(&json!({"use": "enc", "alg": "RSA-OAEP"})), json!({"kty": "new", "kid": "of-tomorrow"})];
        let [encrypts, new] = unusable;
        let issuer = Issuer::start(Says::Keys(vec![encrypts, new, key.jwk(&json!({"use": "sig"}))])).await?;
        let pod = Pod::of(stack, "skips", &issuer, &[]).await?;
        assert!(pod.takes(&token(&issuer, &key)).await?);
        assert!(!pod.takes(&token(&issuer, &other)).await?);
        let log = pod.log()?;
        for line in [r#"key Some("encrypts") is skipped: its use is not sig"#, r#"key Some("of-tomorrow") is skipped"#]
        {
            assert_eq!(log.matches(line).count(), 1, "{log}");
        }
        Ok(())
    })
}
