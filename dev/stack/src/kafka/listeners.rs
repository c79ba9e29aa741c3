//! The listeners of a secured broker: one for each way in which Kafka lets a client in.

use crate::identity::jwk_set;
use crate::{Tls, dev, ports};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};

/// The user of the persister.
pub(super) const USER: &str = "interaction";
/// The user of `persister migrate`.
pub(super) const MIGRATOR: &str = "migrator";
/// The broker itself, which may do everything.
pub(super) const BROKER: &str = "broker";
/// Its own listener, and that of the system.
pub(super) const MAIN: &str = "SASL_SSL";
/// Name and protocol of the others. MUTUAL wants a certificate of the client.
const OTHERS: [(&str, &str); 4] =
    [("PLAINTEXT", "PLAINTEXT"), ("SSL", "SSL"), ("MUTUAL", "SSL"), ("SASL_PLAINTEXT", "SASL_PLAINTEXT")];
/// Of the tokens that are let in, which are of the dev key; `sub` is the user.
pub(super) const TOKEN_AUDIENCE: &str = "interaction-kafka";

#[derive(Clone)]
pub(super) struct Listeners {
    tls: Tls,
    ports: [u16; OTHERS.len()],
    keys: PathBuf,
}

impl Listeners {
    pub(super) fn new(folder: &Path, tls: &Tls) -> Result<Self> {
        let keys = folder.join("kafka-jwks.json");
        fs::write(&keys, jwk_set())?;
        let mut ports = [0; OTHERS.len()];
        for port in &mut ports {
            *port = ports::free()?;
        }
        Ok(Self { tls: tls.clone(), ports, keys })
    }

    /// What clients of the main one trust.
    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// The port of one of the others.
    pub(super) fn port(&self, name: &str) -> Option<u16> {
        OTHERS.iter().position(|(other, _)| *other == name).map(|at| self.ports[at])
    }

    /// The others, as the broker's setting lists them.
    pub(super) fn list(&self) -> String {
        let one = |((name, _), port): (&(&str, &str), &u16)| format!(",{name}://127.0.0.1:{port}");
        OTHERS.iter().zip(&self.ports).map(one).collect::<Vec<_>>().concat()
    }

    /// Names that are no protocol of Kafka's.
    pub(super) fn protocols() -> String {
        let named = OTHERS.iter().filter(|(name, protocol)| name != protocol);
        named.map(|(name, by)| format!(",{name}:{by}")).collect::<Vec<_>>().concat()
    }

    /// The users that are written when the data folder is made.
    pub(super) fn scram_users() -> [String; 4] {
        let users = [("256", USER), ("512", USER), ("512", MIGRATOR), ("512", BROKER)];
        users.map(|(bits, user)| format!("SCRAM-SHA-{bits}=[name={user},password={}]", dev("KAFKA_PASSWORD")))
    }

    /// Which URLs the broker may ask for keys: it asks none that its virtual machine is not given.
    pub(super) fn java(&self) -> [String; 2] {
        ["urls", "files"].map(|what| {
            let allowed = if what == "urls" { self.url() } else { self.keys.display().to_string() };
            format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.{what}={allowed}")
        })
    }

    fn url(&self) -> String {
        format!("file://{}", self.keys.display())
    }

    /// Java reads PEM files since KIP-651. The broker is a client of itself, too. Whoever comes without a
    /// name may do everything, because the broker's controller does.
    pub(super) fn properties(&self) -> String {
        let common = format!(
            "ssl.keystore.type=PEM
ssl.keystore.location={}
ssl.truststore.type=PEM
ssl.truststore.location={}
listener.name.mutual.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
sasl.oauthbearer.jwks.endpoint.url={}
sasl.oauthbearer.expected.audience={TOKEN_AUDIENCE}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{BROKER};User:ANONYMOUS
ssl.principal.mapping.rules=RULE:^CN=(.*)$/$1/
",
            self.tls.key_and_certificate().display(),
            self.tls.ca().display(),
            self.url(),
        );
        let password = dev("KAFKA_PASSWORD");
        let security = "org.apache.kafka.common.security";
        let user = format!("required username=\"{BROKER}\" password=\"{password}\"");
        let modules = [
            ("plain", format!("plain.PlainLoginModule {user} user_{USER}=\"{password}\"")),
            ("scram-sha-256", format!("scram.ScramLoginModule {user}")),
            ("scram-sha-512", format!("scram.ScramLoginModule {user}")),
            ("oauthbearer", "oauthbearer.OAuthBearerLoginModule required".to_owned()),
        ];
        let mut all = vec![common];
        for listener in ["sasl_ssl", "sasl_plaintext"] {
            let of = format!("listener.name.{listener}");
            for (mechanism, module) in &modules {
                all.push(format!("{of}.{mechanism}.sasl.jaas.config={security}.{module};\n"));
            }
            let validator = format!("{security}.oauthbearer.OAuthBearerValidatorCallbackHandler");
            all.push(format!("{of}.oauthbearer.sasl.server.callback.handler.class={validator}\n"));
        }
        all.concat()
    }
}
