//! Every way in which Kafka lets a client in. The persister uses each of them, and is refused with wrong credentials.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context, Result, ensure};
use contract::Kind;
use futures::future::try_join_all;
use sqlx::MySqlPool;
use stack::{Kafka, Persister, Stack, dev, wait_for};
use tests::{Api, interactions};

use crate::{
    PATIENCE, WRONG, another_authority,
    provider::{CLIENT, Provider, SCOPE},
    secured,
};

const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

/// A listener, and the persister's environment to be let in there.
struct Way {
    name: String,
    listener: &'static str,
    environment: BTreeMap<String, String>,
}

impl Way {
    fn new(listener: &'static str, security: &str) -> Self {
        let way = Self { name: listener.to_lowercase(), listener, environment: BTreeMap::new() };
        way.with("SECURITY", security)
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(format!("INTERACTION_KAFKA_{name}"), value.into());
        self
    }

    /// With a certificate of the client.
    fn mutual(stack: &Stack) -> Self {
        let (certificate, key) = (stack.tls().client_certificate(), stack.tls().client_key());
        Self::new("MUTUAL", "ssl")
            .with("SSL_CERTIFICATE_LOCATION", certificate.display().to_string())
            .with("SSL_KEY_LOCATION", key.display().to_string())
    }

    /// With a mechanism of SASL and that secret. `None` stands for the right secret.
    fn sasl(listener: &'static str, mechanism: &str, provider: &Provider, secret: Option<&str>) -> Self {
        let mut way = Self::new(listener, &listener.to_lowercase()).with("SASL_MECHANISM", mechanism);
        way.name = format!("{} {mechanism}", way.name);
        if mechanism == "OAUTHBEARER" {
            way.with("SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL", provider.token_endpoint())
                .with("SASL_OAUTHBEARER_CLIENT_ID", CLIENT)
                .with("SASL_OAUTHBEARER_CLIENT_SECRET", secret.unwrap_or(dev("KAFKA_CLIENT_SECRET")))
                .with("SASL_OAUTHBEARER_SCOPE", SCOPE)
        } else {
            way.with("USERNAME", Kafka::user()).with("PASSWORD", secret.unwrap_or(dev("KAFKA_PASSWORD")))
        }
    }

    /// A persister that connects this way, not started yet. It has its own log.
    fn persister(&self, stack: &Stack) -> Result<Persister> {
        let folder = stack.data().join(self.name.replace(' ', "-"));
        std::fs::create_dir_all(&folder)?;
        let mut environment = self.environment.clone();
        environment.extend(stack.tls().environment());
        let brokers = stack.kafka.listener(self.listener);
        Persister::new(&folder, &stack.redis.persister_url(), &stack.mariadb.persister_url(), &brokers, &environment)
    }

    /// Runs `audit` this way. Returns whether it succeeds, and what it prints.
    async fn audit(&self, stack: &Stack) -> Result<(bool, String)> {
        let output = self.persister(stack)?.command(&["audit", "--article", "42"])?.output().await?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        std::fs::write(stack.data().join(self.name.replace(' ', "-")).join("audit.log"), &said)?;
        Ok((output.status.success(), said))
    }
}

fn every_mechanism(provider: &Provider, secret: Option<&str>) -> Vec<Way> {
    let by = |listener| move |mechanism| Way::sasl(listener, mechanism, provider, secret);
    MECHANISMS.into_iter().map(by("SASL_PLAINTEXT")).chain(MECHANISMS.into_iter().map(by("SASL_SSL"))).collect()
}

/// The client's key, encrypted with a password. Returns the path of the file.
fn encrypted_key(stack: &Stack) -> Result<String> {
    let file = stack.data().join("client-encrypted.key").display().to_string();
    let made = Command::new("openssl")
        .args(["pkcs8", "-topk8", "-passout", &format!("pass:{}", dev("KAFKA_KEY_PASSWORD")), "-out", &file, "-in"])
        .arg(stack.tls().client_key())
        .status()?;
    ensure!(made.success(), "openssl: {made}");
    Ok(file)
}

#[test]
fn an_event_goes_to_kafka_and_from_it_to_mysql_by_every_way_in_which_kafka_lets_a_client_in() -> Result<()> {
    secured(async |stack| {
        let provider = Provider::start().await?;
        let ca = stack.tls().ca().display().to_string();
        let mut ways = vec![
            Way::new("PLAINTEXT", "plaintext"),
            Way::new("SSL", "ssl").with("SSL_CA_LOCATION", ca),
            Way::mutual(stack),
            Way::mutual(stack)
                .with("SSL_KEY_LOCATION", encrypted_key(stack)?)
                .with("SSL_KEY_PASSWORD", dev("KAFKA_KEY_PASSWORD")),
        ];
        ways.extend(every_mechanism(&provider, None));
        let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
        stack.persister.terminate().await?;
        for (article, way) in (1000..).zip(&ways) {
            like(stack, article).await?;
            let persister = way.persister(stack)?;
            persister.start().await?;
            let arrived = wait_for("the row", PATIENCE, async || {
                Ok(interactions(&mysql).await?[&Kind::Like].contains(&(7, article)).then_some(()))
            });
            arrived.await.with_context(|| format!("{}:\n{}", way.name, persister.log_tail(15)))?;
            persister.terminate().await?;
        }
        stack.persister.start().await
    })
}

async fn like(stack: &Stack, article: i64) -> Result<()> {
    let api = Api::new(stack.http_url());
    api.switch(Kind::Like, article, true).user(7).send().await?.says(Kind::Like, article, true)
}

#[test]
fn a_wrong_secret_is_refused_by_every_mechanism_and_is_not_shown() -> Result<()> {
    secured(async |stack| {
        let provider = Provider::start().await?;
        let ways = every_mechanism(&provider, Some(WRONG));
        try_join_all(ways.iter().map(async |way| {
            let reason = match way.name.rsplit_once(' ') {
                Some((_, "OAUTHBEARER")) => "no such client",
                _ => "Authentication failed",
            };
            // Kafka's client may give up on a slow answer before it learns the reason. Try again, as an operator would.
            wait_for(reason, PATIENCE, async || {
                let (good, said) = way.audit(stack).await?;
                ensure!(!good && !said.contains(WRONG), "{}: {said}", way.name);
                Ok(said.contains(reason).then_some(()))
            })
            .await
            .with_context(|| way.name.clone())
        }))
        .await?;
        Ok(())
    })
}

#[test]
fn a_client_without_a_certificate_of_the_authority_is_refused_where_kafka_wants_one() -> Result<()> {
    secured(async |stack| {
        let other = another_authority(stack)?;
        let strange = Way::mutual(stack)
            .with("SSL_CERTIFICATE_LOCATION", other.client_certificate().display().to_string())
            .with("SSL_KEY_LOCATION", other.client_key().display().to_string());
        // Only the authority that Kafka's setting names is trusted.
        let untrusted = Way::new("SSL", "ssl").with("SSL_CA_LOCATION", other.ca().display().to_string());
        for (way, reason) in
            [(Way::new("MUTUAL", "ssl"), "alert"), (strange, "alert"), (untrusted, "certificate verify failed")]
        {
            let (good, said) = way.audit(stack).await?;
            let error = said.lines().last().unwrap_or_default();
            ensure!(!good && error.contains("persister::cli") && error.contains(reason), "{said}");
        }
        Ok(())
    })
}

#[test]
fn settings_that_do_not_go_together_are_refused_with_what_to_set() -> Result<()> {
    secured(async |stack| {
        let provider = Provider::start().await?;
        let plain = || Way::new("PLAINTEXT", "plaintext");
        let only_tls = || Way::new("SSL", "ssl");
        let user = |mechanism| Way::sasl("SASL_SSL", mechanism, &provider, None);
        let token = || user("OAUTHBEARER");
        let key = || stack.tls().client_key().display().to_string();
        let with_sasl = "needs INTERACTION_KAFKA_SECURITY=sasl_ssl or INTERACTION_KAFKA_SECURITY=sasl_plaintext";
        let with_tls = "needs INTERACTION_KAFKA_SECURITY=ssl or INTERACTION_KAFKA_SECURITY=sasl_ssl";
        for (way, advice) in [
            (plain().with("USERNAME", "me"), format!("INTERACTION_KAFKA_USERNAME {with_sasl}")),
            (only_tls().with("PASSWORD", WRONG), format!("INTERACTION_KAFKA_PASSWORD {with_sasl}")),
            (only_tls().with("SASL_MECHANISM", "PLAIN"), format!("INTERACTION_KAFKA_SASL_MECHANISM {with_sasl}")),
            (plain().with("SASL_OAUTHBEARER_SCOPE", "kafka"), format!("_SCOPE {with_sasl}")),
            (plain().with("SSL_CA_LOCATION", key()), format!("INTERACTION_KAFKA_SSL_CA_LOCATION {with_tls}")),
            (plain().with("SSL_KEY_PASSWORD", WRONG), format!("INTERACTION_KAFKA_SSL_KEY_PASSWORD {with_tls}")),
            (only_tls().with("SSL_KEY_LOCATION", key()), "needs INTERACTION_KAFKA_SSL_CERTIFICATE_LOCATION".to_owned()),
            (only_tls().with("SSL_CERTIFICATE_LOCATION", key()), "needs INTERACTION_KAFKA_SSL_KEY_LOCATION".to_owned()),
            (only_tls().with("SSL_KEY_PASSWORD", WRONG), "needs INTERACTION_KAFKA_SSL_KEY_LOCATION".to_owned()),
            (Way::mutual(stack).with("SSL_KEY_LOCATION", "/nowhere"), "cannot be used".to_owned()),
            (only_tls().with("SSL_CA_LOCATION", "/nowhere"), "cannot be used".to_owned()),
            (user("PLAIN").with("PASSWORD", ""), "=PLAIN needs INTERACTION_KAFKA_PASSWORD".to_owned()),
            (user("PLAIN").with("USERNAME", ""), "=PLAIN needs INTERACTION_KAFKA_USERNAME".to_owned()),
            (user("PLAIN").with("SASL_OAUTHBEARER_CLIENT_ID", CLIENT), "_SASL_MECHANISM=OAUTHBEARER".to_owned()),
            (user("DIGEST-MD5"), "possible values: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER".to_owned()),
            (token().with("PASSWORD", WRONG), "=PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512".to_owned()),
            (token().with("SASL_OAUTHBEARER_CLIENT_SECRET", ""), "_CLIENT_SECRET".to_owned()),
            (token().with("SASL_OAUTHBEARER_CLIENT_ID", ""), "_CLIENT_ID".to_owned()),
            (token().with("SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL", "idp/token"), "of the form https://".to_owned()),
            (token().with("SASL_OAUTHBEARER_EXTENSIONS", "cluster"), "of the form key=value".to_owned()),
        ] {
            let (good, said) = way.audit(stack).await?;
            ensure!(!good && said.contains(&advice) && !said.contains(WRONG), "{advice}: {said}");
        }
        Ok(())
    })
}
