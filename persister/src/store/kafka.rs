//! Kafka: where it is, and the settings of every client.

mod security;

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use rdkafka::ClientConfig;

use self::security::Security;
use super::{partitions::LOOK, shared::Shared};
use crate::config::Config;

/// The group whose offsets tell what MySQL has.
pub(crate) const GROUP: &str = "interaction.persister";

/// After so long a record is delivered or has failed for good (`message.timeout.ms`): whoever takes over from a dead
/// relay waits for longer than that.
pub(crate) const DELIVERY: Duration = Duration::from_secs(8);

/// How long a question to Kafka may take.
pub(crate) const METADATA: Duration = Duration::from_secs(5);

/// Where Kafka is and how it is spoken to, and the topics' names.
#[derive(Clone)]
pub(crate) struct Kafka {
    /// What every client starts from; may hold the password.
    client: ClientConfig,
    pub(crate) topic: String,
    pub(crate) dlq_topic: String,
    /// What the process has one of.
    pub(super) shared: Arc<Shared>,
}

impl Kafka {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let brokers = &config.kafka.brokers;
        ensure!(!brokers.is_empty(), "INTERACTION_KAFKA_BROKERS is not set; see `persister --help`");
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", brokers)
            .set("client.id", "interaction-persister")
            // A broker that restarts is found again within a second or so, not within ten.
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            // A topic that gets partitions: librdkafka looks every five minutes by default.
            .set("topic.metadata.refresh.interval.ms", LOOK.as_millis().to_string());
        Security::of(&config.kafka)?.apply(&mut client)?;
        Ok(Self { client, topic: config.topic.clone(), dlq_topic: config.dlq_topic.clone(), shared: Arc::default() })
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
