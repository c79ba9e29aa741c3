//! Kafka: where it is, and the settings of every client.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::ensure;
use rdkafka::{ClientConfig, consumer::BaseConsumer};
use secrecy::ExposeSecret as _;

use super::secret::secret;
use crate::config::{Config, KafkaSecurity};

/// The group whose offsets tell what MySQL has.
pub(crate) const GROUP: &str = "interaction.persister";

/// After so long a record is delivered or has failed for good (`message.timeout.ms`): whoever takes over from a dead
/// relay waits for longer than that.
pub(crate) const DELIVERY: Duration = Duration::from_secs(8);

/// How long a question to Kafka may take.
pub(crate) const METADATA: Duration = Duration::from_secs(5);

/// How often producers and consumers look whether the topic has got more partitions. A group needs some seconds more to share
/// them.
pub(super) const LOOK: Duration = Duration::from_secs(3);

/// Where Kafka is and how it is spoken to, and the topics' names.
#[derive(Clone)]
pub(crate) struct Kafka {
    /// What every client starts from; may hold the password.
    client: ClientConfig,
    pub(crate) topic: String,
    pub(crate) dlq_topic: String,
    /// One for the whole process.
    pub(super) observer: Arc<OnceLock<Arc<BaseConsumer>>>,
}

impl Kafka {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        ensure!(!config.kafka_brokers.is_empty(), "INTERACTION_KAFKA_BROKERS is not set; see `persister --help`");
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &config.kafka_brokers)
            .set("client.id", "interaction-persister")
            // A broker that restarts is found again within a second or so, not within ten.
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            // A topic that gets partitions: librdkafka looks every five minutes by default.
            .set("topic.metadata.refresh.interval.ms", LOOK.as_millis().to_string());
        secure(&mut client, config)?;
        Ok(Self { client, topic: config.topic.clone(), dlq_topic: config.dlq_topic.clone(), observer: Arc::default() })
    }

    /// The settings that every client starts from.
    pub(crate) fn client(&self) -> ClientConfig {
        self.client.clone()
    }

    /// The same of a consumer that keeps up with the topic: what it fetches ahead bounds its memory. That is messages of
    /// each partition, kilobytes in all, and the bytes of one fetch of a partition, which unpack to about ten times as
    /// many.
    pub(crate) fn reader(&self, fetch_bytes: u32) -> ClientConfig {
        let mut client = self.client();
        client
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("queued.min.messages", "2000")
            .set("queued.max.messages.kbytes", "8192")
            .set("fetch.message.max.bytes", fetch_bytes.to_string());
        client
    }
}

/// TLS and user. The certificate has to be of the broker's host, which librdkafka checks unless told otherwise
/// (<https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>, `ssl.endpoint.identification.algorithm`).
fn secure(client: &mut ClientConfig, config: &Config) -> anyhow::Result<()> {
    let user = &config.kafka_username;
    if config.kafka_security != KafkaSecurity::SaslSsl {
        ensure!(user.is_empty(), "INTERACTION_KAFKA_USERNAME needs INTERACTION_KAFKA_SECURITY=sasl_ssl");
    }
    match config.kafka_security {
        KafkaSecurity::Plaintext => {}
        KafkaSecurity::Ssl => {
            client.set("security.protocol", "ssl");
        }
        KafkaSecurity::SaslSsl => {
            ensure!(!user.is_empty(), "INTERACTION_KAFKA_SECURITY=sasl_ssl needs INTERACTION_KAFKA_USERNAME");
            client
                .set("security.protocol", "sasl_ssl")
                .set("sasl.mechanism", "SCRAM-SHA-512")
                .set("sasl.username", user)
                .set("sasl.password", secret("INTERACTION_KAFKA_PASSWORD")?.expose_secret());
        }
    }
    Ok(())
}
