use std::time::Duration;

use anyhow::{Result, ensure};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use reqwest::StatusCode;
use sqlx::{Connection, MySqlConnection};

use crate::{PATIENCE, WRONG, another_app, another_authority, logged, mysql_url, persister, secured, stores};

/// The errors of OpenSSL and rustls for a certificate whose authority they do not trust.
const OPENSSL: &str = "certificate verify failed";
const RUSTLS: &str = "invalid peer certificate";

/// For each store, the variable that the persister needs for it, and a command that connects to it before the other stores.
const FIRST: [(&str, &[&str]); 3] = [
    ("INTERACTION_REDIS_URL", &["reconcile"]),
    ("INTERACTION_MYSQL_URL", &["migrate", "--wait-seconds", "1"]),
    ("INTERACTION_KAFKA_PASSWORD_FILE", &["audit"]),
];

#[test]
fn the_persister_refuses_a_certificate_of_another_authority() -> Result<()> {
    secured(async |stack| {
        let another = another_authority(stack)?.environment();
        let trust = another.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
        for ((store, command), reason) in FIRST.into_iter().zip([RUSTLS, RUSTLS, OPENSSL]) {
            // Kafka's client may give up on a slow answer before it learns the reason. Try again, as an operator would.
            stack::wait_for(store, PATIENCE, async || {
                let (good, said) = persister(stack, command, &trust).await?;
                assert!(!good, "{store}: {said}");
                Ok(said.contains(reason).then_some(()))
            })
            .await?;
        }
        Ok(())
    })
}

#[test]
fn the_components_refuse_a_certificate_of_another_authority() -> Result<()> {
    secured(async |stack| {
        let trust = another_authority(stack)?;
        let app = another_app(stack, "mistrusting", &stack.redis_url(), &mysql_url(stack), &trust, &[]).await?;
        assert_eq!(stores(&app).await?, unavailable());
        logged(&app, "redis: cannot connect").await?;
        logged(&app, "ConnectionFailed").await?;
        logged(&app, OPENSSL).await
    })
}

fn unavailable() -> (StatusCode, [String; 2]) {
    (StatusCode::SERVICE_UNAVAILABLE, ["unavailable", "unavailable"].map(str::to_owned))
}

fn with_wrong_password(url: &str) -> String {
    let (before, host) = url.rsplit_once('@').expect("a URL with a password");
    let (user, _) = before.rsplit_once(':').expect("a user");
    format!("{user}:{WRONG}@{host}")
}

#[test]
fn the_persister_tells_of_a_wrong_password_without_showing_it() -> Result<()> {
    secured(async |stack| {
        let file = stack.data().join("wrong.password");
        std::fs::write(&file, WRONG)?;
        let wrong = [
            with_wrong_password(&stack.redis_url()),
            with_wrong_password(&stack.mysql_owner_url()),
            file.display().to_string(),
        ];
        let reasons = ["Password authentication failed", "Access denied for user 'migrator'", "Authentication failed"];
        for (((variable, command), wrong), reason) in FIRST.into_iter().zip(wrong).zip(reasons) {
            // Kafka's client may give up on a slow answer before it learns the reason. Try again, as an operator would.
            stack::wait_for(reason, PATIENCE, async || {
                let (good, said) = persister(stack, command, &[(variable, &wrong)]).await?;
                assert!(!good && !said.contains(WRONG), "{said}");
                Ok(said.contains(reason).then_some(()))
            })
            .await?;
        }
        Ok(())
    })
}

#[test]
fn the_components_tell_of_a_wrong_password_without_showing_it() -> Result<()> {
    secured(async |stack| {
        let (redis, mysql) = (with_wrong_password(&stack.redis_url()), with_wrong_password(&mysql_url(stack)));
        let app = another_app(stack, "mistaken", &redis, &mysql, stack.tls(), &[]).await?;
        assert_eq!(stores(&app).await?, unavailable());
        logged(&app, "Password authentication failed").await?;
        logged(&app, "Access denied for user 'handlers'").await
    })
}

#[test]
fn nothing_is_sent_to_a_place_that_is_not_permitted_and_its_url_is_not_shown() -> Result<()> {
    secured(async |stack| {
        let elsewhere = [("redis_address", "rediss://127.0.0.1:1"), ("mysql_address", "mysql://127.0.0.1:1")];
        let app =
            another_app(stack, "forbidden", &stack.redis_url(), &mysql_url(stack), stack.tls(), &elsewhere).await?;
        assert_eq!(stores(&app).await?, unavailable());
        logged(&app, "redis: cannot connect").await?;
        logged(&app, "address <its URL> is not permitted").await
    })
}

#[test]
fn the_stores_refuse_whoever_comes_without_tls() -> Result<()> {
    secured(async |stack| {
        let plain = redis::Client::open(stack.redis_url().replace("rediss://", "redis://"))?;
        ensure!(plain.get_multiplexed_async_connection().await.is_err(), "Redis let it in");

        let plain = stack.mysql_url().replace("VERIFY_IDENTITY", "DISABLED");
        let refused = MySqlConnection::connect(&plain).await.err();
        let refused = refused.map(|error| error.to_string()).unwrap_or_default();
        // The refusal comes from the server's setting or from the user's, depending on which the server checks first.
        assert!(["insecure transport", "Access denied"].iter().any(|word| refused.contains(word)), "{refused}");

        let brokers = stack.kafka_brokers();
        tokio::task::spawn_blocking(move || {
            let plain: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
            ensure!(plain.fetch_metadata(None, Duration::from_secs(3)).is_err(), "Kafka let it in");
            Ok(())
        })
        .await?
    })
}
