//! Kafka's address, and the settings of every client.

pub(crate) mod lost;
pub(super) mod reasons;
mod security;

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use rdkafka::ClientConfig;

use self::security::Security;
use super::{partitions::LOOK, shared::Shared};
use crate::config::Config;

/// The job of the consumer group whose offsets say what MySQL has.
pub(crate) const CONSUME: &str = "persister";

/// After this time a record is delivered or has failed for good (`message.timeout.ms`). Anybody who takes over from a
/// dead relay waits longer than this.
pub(crate) const DELIVERY: Duration = Duration::from_secs(8);

/// The limit for a question to Kafka.
pub(crate) const METADATA: Duration = Duration::from_secs(5);

/// Kafka's address and security, and the names of the topics.
#[derive(Clone)]
pub(crate) struct Kafka {
    /// The settings that every client starts from. They may contain the password.
    client: ClientConfig,
    pub(crate) topic: String,
    pub(crate) dlq_topic: String,
    /// The clients that the process has once.
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
            // Reconnect to a restarted broker within about a second; the default is ten.
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            // Look for new partitions more often than librdkafka's five minutes.
            .set("topic.metadata.refresh.interval.ms", LOOK.as_millis().to_string());
        Security::of(&config.kafka)?.apply(&mut client)?;
        let topic = config.topic.clone();
        let dlq_topic = config.dlq_topic.clone().unwrap_or_else(|| format!("{topic}.dlq"));
        Ok(Self { client, topic, dlq_topic, shared: Arc::default() })
    }

    /// The consumer group of a job, named after the topic: services that share a Kafka must not share a group, because each
    /// member that comes or goes makes the whole group pause.
    pub(crate) fn group(&self, job: &str) -> String {
        group(&self.topic, job)
    }

    /// The settings that every client starts from.
    pub(crate) fn client(&self) -> ClientConfig {
        self.client.clone()
    }

    /// The settings of a consumer that keeps up with the topic. What it fetches ahead bounds its memory: kilobytes of
    /// messages for each partition, and the bytes of one fetch of a partition, which unpack to about ten times as many.
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

fn group(topic: &str, job: &str) -> String {
    format!("{}.{job}", topic.strip_suffix(".events").unwrap_or(topic))
}

#[cfg(test)]
mod tests {
    use super::{CONSUME, group};

    #[test]
    fn groups_are_named_after_the_topic() {
        assert_eq!(group("interaction.events", CONSUME), "interaction.persister");
        assert_eq!(group("staging.events", "trends"), "staging.trends");
        assert_eq!(group("interactions", "log"), "interactions.log");
    }
}
