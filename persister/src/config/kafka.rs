//! How to reach Kafka: its own client settings, each by Kafka's name for it.

use clap::{Args, ValueEnum};

/// The secrets are elsewhere: the password, the client's secret, and the passphrase of the key.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Kafka")]
pub(crate) struct KafkaOptions {
    /// Kafka's bootstrap brokers, as host:port[,host:port…].
    #[arg(
        long = "kafka-brokers",
        env = "INTERACTION_KAFKA_BROKERS",
        hide_env_values = true,
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) brokers: String,
    /// Kafka's `security.protocol`.
    #[arg(long = "kafka-security", env = "INTERACTION_KAFKA_SECURITY", global = true, default_value = "plaintext")]
    pub(crate) security: KafkaSecurity,
    /// Kafka's `sasl.mechanism`, for `sasl_ssl` and `sasl_plaintext`; SCRAM-SHA-512 if not set.
    #[arg(long = "kafka-sasl-mechanism", env = "INTERACTION_KAFKA_SASL_MECHANISM", global = true, ignore_case = true)]
    pub(crate) mechanism: Option<KafkaMechanism>,
    /// The user at Kafka, for PLAIN and SCRAM.
    #[arg(
        long = "kafka-username",
        env = "INTERACTION_KAFKA_USERNAME",
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) username: String,
    /// A PEM file, or a folder, with the authorities that may have signed Kafka's certificates, instead of the
    /// system's.
    #[arg(
        long = "kafka-ssl-ca-location",
        env = "INTERACTION_KAFKA_SSL_CA_LOCATION",
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) ca: String,
    /// A PEM file with our own certificate, for brokers that require one.
    #[arg(
        long = "kafka-ssl-certificate-location",
        env = "INTERACTION_KAFKA_SSL_CERTIFICATE_LOCATION",
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) certificate: String,
    /// A PEM file with the key of our own certificate.
    #[arg(
        long = "kafka-ssl-key-location",
        env = "INTERACTION_KAFKA_SSL_KEY_LOCATION",
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) oauth: OauthOptions,
}

/// The source of OAUTHBEARER's tokens: an OAuth 2.0 provider, by the client credentials grant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OauthOptions {
    /// The URL at which the provider issues tokens, for OAUTHBEARER.
    #[arg(
        long = "kafka-sasl-oauthbearer-token-endpoint-url",
        env = "INTERACTION_KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL",
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) token_endpoint: String,
    /// Our name at the provider.
    #[arg(
        long = "kafka-sasl-oauthbearer-client-id",
        env = "INTERACTION_KAFKA_SASL_OAUTHBEARER_CLIENT_ID",
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) client_id: String,
    /// The scope to ask the provider for, if it requires one.
    #[arg(
        long = "kafka-sasl-oauthbearer-scope",
        env = "INTERACTION_KAFKA_SASL_OAUTHBEARER_SCOPE",
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) scope: String,
    /// What is sent to the brokers beside the token, as key=value[,key=value…], if they ask for extensions.
    #[arg(
        long = "kafka-sasl-oauthbearer-extensions",
        env = "INTERACTION_KAFKA_SASL_OAUTHBEARER_EXTENSIONS",
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) extensions: String,
}

/// Kafka's `security.protocol`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum KafkaSecurity {
    /// Neither TLS nor SASL.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without TLS: anybody on the network can read everything, with PLAIN even the password.
    SaslPlaintext,
    /// TLS and SASL.
    SaslSsl,
}

/// Kafka's `sasl.mechanism`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KafkaMechanism {
    /// User and password.
    #[value(name = "PLAIN")]
    Plain,
    /// User and password; the password is not sent.
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with a longer hash.
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
    /// A token of an OAuth 2.0 provider.
    #[value(name = "OAUTHBEARER")]
    Oauthbearer,
}
