//! TLS and SASL: which settings belong together, and their names in librdkafka
//! (<https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>).

use anyhow::{Context as _, ensure};
use rdkafka::{ClientConfig, consumer::BaseConsumer};
use secrecy::{ExposeSecret as _, SecretString};
use tracing::warn;

use super::super::secret::optional;
use crate::config::kafka::{KafkaMechanism, KafkaOptions, KafkaSecurity};

const SECURITY: &str = "INTERACTION_KAFKA_SECURITY";
const MECHANISM: &str = "INTERACTION_KAFKA_SASL_MECHANISM";
const USERNAME: &str = "INTERACTION_KAFKA_USERNAME";
const PASSWORD: &str = "INTERACTION_KAFKA_PASSWORD";
const CA: &str = "INTERACTION_KAFKA_SSL_CA_LOCATION";
const CERTIFICATE: &str = "INTERACTION_KAFKA_SSL_CERTIFICATE_LOCATION";
const KEY: &str = "INTERACTION_KAFKA_SSL_KEY_LOCATION";
const KEY_PASSWORD: &str = "INTERACTION_KAFKA_SSL_KEY_PASSWORD";
const TOKEN_ENDPOINT: &str = "INTERACTION_KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL";
const CLIENT_ID: &str = "INTERACTION_KAFKA_SASL_OAUTHBEARER_CLIENT_ID";
const CLIENT_SECRET: &str = "INTERACTION_KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET";
const SCOPE: &str = "INTERACTION_KAFKA_SASL_OAUTHBEARER_SCOPE";
const EXTENSIONS: &str = "INTERACTION_KAFKA_SASL_OAUTHBEARER_EXTENSIONS";

/// How clients connect to the brokers. Settings that belong together are in one place.
pub(super) struct Security<'a> {
    tls: Option<Tls<'a>>,
    sasl: Option<Sasl<'a>>,
}

/// The certificate must name the broker's host, which librdkafka checks by default
/// (`ssl.endpoint.identification.algorithm`).
struct Tls<'a> {
    /// Empty for the system's authorities.
    ca: &'a str,
    own: Option<Own<'a>>,
}

/// Our own certificate.
struct Own<'a> {
    certificate: &'a str,
    key: &'a str,
    password: Option<SecretString>,
}

enum Sasl<'a> {
    User { mechanism: &'static str, name: &'a str, password: SecretString },
    Token { options: &'a KafkaOptions, secret: SecretString },
}

impl<'a> Security<'a> {
    /// Errors say which setting to change, and show no value of a secret.
    pub(super) fn of(options: &'a KafkaOptions) -> anyhow::Result<Self> {
        let (tls, sasl) = match options.security {
            KafkaSecurity::Plaintext => (false, false),
            KafkaSecurity::Ssl => (true, false),
            KafkaSecurity::SaslPlaintext => (false, true),
            KafkaSecurity::SaslSsl => (true, true),
        };
        let security = Self { tls: Tls::of(options, tls)?, sasl: Sasl::of(options, sasl)? };
        security.warn();
        Ok(security)
    }

    /// Applies the settings. A file that cannot be used is reported now, and not by every client that is created later.
    pub(super) fn apply(&self, client: &mut ClientConfig) -> anyhow::Result<()> {
        if let Some(tls) = &self.tls {
            // Without SASL, so that no token is requested.
            let mut alone = ClientConfig::new();
            tls.apply(alone.set("security.protocol", "ssl"));
            alone.create::<BaseConsumer>().with_context(|| {
                format!("Kafka: {CA}, {CERTIFICATE}, {KEY} or {KEY_PASSWORD}, or SSL_CERT_FILE, cannot be used")
            })?;
            tls.apply(client);
        }
        if let Some(sasl) = &self.sasl {
            sasl.apply(client);
        }
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        client.set("security.protocol", protocol);
        Ok(())
    }

    fn warn(&self) {
        match &self.sasl {
            Some(Sasl::User { mechanism: "PLAIN", .. }) if self.tls.is_none() => {
                warn!("Kafka's password goes over the network unencrypted; {SECURITY}=sasl_ssl encrypts it");
            }
            Some(Sasl::Token { .. }) if self.tls.is_none() => {
                warn!("Kafka's token goes over the network unencrypted; {SECURITY}=sasl_ssl encrypts it");
            }
            _ => (),
        }
        if let Some(Sasl::Token { options, .. }) = &self.sasl
            && options.oauth.token_endpoint.starts_with("http:")
        {
            warn!("{CLIENT_SECRET} goes over the network unencrypted, since {TOKEN_ENDPOINT} is not https://");
        }
    }
}

impl<'a> Tls<'a> {
    fn of(options: &'a KafkaOptions, wanted: bool) -> anyhow::Result<Option<Self>> {
        let KafkaOptions { ca, certificate, key, .. } = options;
        let password = optional(KEY_PASSWORD)?;
        if !wanted {
            let none = [(CA, ca.is_empty()), (CERTIFICATE, certificate.is_empty()), (KEY, key.is_empty())];
            without(&none, &[(KEY_PASSWORD, &password)], &format!("{SECURITY}=ssl or {SECURITY}=sasl_ssl"))?;
            return Ok(None);
        }
        ensure!(certificate.is_empty() || !key.is_empty(), "{CERTIFICATE} needs {KEY}, which may be the same file");
        ensure!(key.is_empty() || !certificate.is_empty(), "{KEY} needs {CERTIFICATE}, which may be the same file");
        ensure!(password.is_none() || !key.is_empty(), "{KEY_PASSWORD} needs {KEY} and {CERTIFICATE}");
        let own = (!key.is_empty()).then_some(Own { certificate, key, password });
        Ok(Some(Self { ca, own }))
    }

    fn apply(&self, client: &mut ClientConfig) {
        if !self.ca.is_empty() {
            client.set("ssl.ca.location", self.ca);
        }
        if let Some(own) = &self.own {
            client.set("ssl.certificate.location", own.certificate).set("ssl.key.location", own.key);
            if let Some(password) = &own.password {
                client.set("ssl.key.password", password.expose_secret());
            }
        }
    }
}

impl<'a> Sasl<'a> {
    fn of(options: &'a KafkaOptions, wanted: bool) -> anyhow::Result<Option<Self>> {
        let (password, secret) = (optional(PASSWORD)?, optional(CLIENT_SECRET)?);
        let no_user = [(USERNAME, options.username.is_empty())];
        let oauth = &options.oauth;
        let no_provider = [
            (TOKEN_ENDPOINT, oauth.token_endpoint.is_empty()),
            (CLIENT_ID, oauth.client_id.is_empty()),
            (SCOPE, oauth.scope.is_empty()),
            (EXTENSIONS, oauth.extensions.is_empty()),
        ];
        if !wanted {
            let needed = format!("{SECURITY}=sasl_ssl or {SECURITY}=sasl_plaintext");
            without(&[(MECHANISM, options.mechanism.is_none())], &[(PASSWORD, &password)], &needed)?;
            without(&no_user, &[(CLIENT_SECRET, &secret)], &needed)?;
            without(&no_provider, &[], &needed)?;
            return Ok(None);
        }
        let mechanism = match options.mechanism.unwrap_or(KafkaMechanism::ScramSha512) {
            KafkaMechanism::Oauthbearer => {
                let needed = format!("{MECHANISM}=PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512");
                without(&no_user, &[(PASSWORD, &password)], &needed)?;
                return Self::token(options, secret).map(Some);
            }
            KafkaMechanism::Plain => "PLAIN",
            KafkaMechanism::ScramSha256 => "SCRAM-SHA-256",
            KafkaMechanism::ScramSha512 => "SCRAM-SHA-512",
        };
        without(&no_provider, &[(CLIENT_SECRET, &secret)], &format!("{MECHANISM}=OAUTHBEARER"))?;
        ensure!(!options.username.is_empty(), "{MECHANISM}={mechanism} needs {USERNAME}");
        let password = password.with_context(|| format!("{MECHANISM}={mechanism} needs {PASSWORD}"))?;
        Ok(Some(Self::User { mechanism, name: &options.username, password }))
    }

    fn token(options: &'a KafkaOptions, secret: Option<SecretString>) -> anyhow::Result<Self> {
        let oauth = &options.oauth;
        ensure!(
            oauth.token_endpoint.starts_with("https://") || oauth.token_endpoint.starts_with("http://"),
            "{MECHANISM}=OAUTHBEARER needs {TOKEN_ENDPOINT}, of the form https://host/path"
        );
        ensure!(!oauth.client_id.is_empty(), "{MECHANISM}=OAUTHBEARER needs {CLIENT_ID}");
        let pairs =
            oauth.extensions.split(',').all(|pair| pair.split_once('=').is_some_and(|(key, _)| !key.is_empty()));
        ensure!(pairs || oauth.extensions.is_empty(), "{EXTENSIONS} is not of the form key=value[,key=value…]");
        let secret = secret.with_context(|| format!("{MECHANISM}=OAUTHBEARER needs {CLIENT_SECRET}"))?;
        Ok(Self::Token { options, secret })
    }

    fn apply(&self, client: &mut ClientConfig) {
        match self {
            Self::User { mechanism, name, password } => {
                client
                    .set("sasl.mechanism", *mechanism)
                    .set("sasl.username", *name)
                    .set("sasl.password", password.expose_secret());
            }
            Self::Token { options, secret } => {
                let oauth = &options.oauth;
                client
                    .set("sasl.mechanism", "OAUTHBEARER")
                    .set("sasl.oauthbearer.method", "oidc")
                    .set("sasl.oauthbearer.token.endpoint.url", &oauth.token_endpoint)
                    .set("sasl.oauthbearer.client.id", &oauth.client_id)
                    .set("sasl.oauthbearer.client.secret", secret.expose_secret());
                let asked = [("scope", &oauth.scope), ("extensions", &oauth.extensions)];
                for (name, value) in asked.into_iter().filter(|(_, value)| !value.is_empty()) {
                    client.set(format!("sasl.oauthbearer.{name}"), value);
                }
            }
        }
    }
}

/// Refuses a setting that has no effect, rather than ignore it: somebody relies on it.
fn without(settings: &[(&str, bool)], secrets: &[(&str, &Option<SecretString>)], needed: &str) -> anyhow::Result<()> {
    for (name, empty) in settings {
        ensure!(empty, "{name} needs {needed}");
    }
    for (name, secret) in secrets {
        ensure!(secret.is_none(), "{name} needs {needed}");
    }
    Ok(())
}
