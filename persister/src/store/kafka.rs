//! Kafka: the producer that the relay and the dead-letter queue share, and what a group has consumed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use contract::Partition;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord},
};
use secrecy::ExposeSecret as _;

use crate::{
    config::{Config, KafkaSecurity},
    secret::secret,
};

/// The group whose offsets tell what MySQL has.
pub(crate) const GROUP: &str = "interaction.persister";

/// After so long a record is delivered or has failed for good (`message.timeout.ms`): whoever takes over from a dead
/// relay waits for longer than that.
pub(crate) const DELIVERY: Duration = Duration::from_secs(8);

pub(crate) const METADATA: Duration = Duration::from_secs(5);

/// Where Kafka is and how it is spoken to, and the topics' names.
#[derive(Clone)]
pub(crate) struct Kafka {
    /// What every client starts from; may hold the password.
    client: ClientConfig,
    pub(crate) topic: String,
    pub(crate) dlq_topic: String,
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
            .set("socket.keepalive.enable", "true");
        secure(&mut client, config)?;
        Ok(Self { client, topic: config.topic.clone(), dlq_topic: config.dlq_topic.clone() })
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

    /// A producer to the event topic and the dead-letter queue.
    pub(crate) async fn producer(&self) -> anyhow::Result<Producer> {
        // Asked by a consumer: to a producer's question a broker may answer with a topic of its own making.
        let observer = self.observer()?;
        let partitions = observer.ends(&self.topic).await?.len();
        observer.ends(&self.dlq_topic).await?;
        let producer: FutureProducer = self
            .client()
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "2")
            .set("compression.type", "lz4")
            .set("message.timeout.ms", DELIVERY.as_millis().to_string())
            .create()?;
        Ok(Producer {
            client: producer,
            partitions: i32::try_from(partitions)?,
            topic: self.topic.clone(),
            dlq_topic: self.dlq_topic.clone(),
        })
    }

    /// A client that asks what has been written and how far the group is, without being a member of it.
    pub(crate) fn observer(&self) -> anyhow::Result<Observer> {
        let consumer: BaseConsumer = self.client().set("group.id", GROUP).create()?;
        Ok(Observer { consumer: Arc::new(consumer), kafka: self.clone() })
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

/// Asks how far the group is.
pub(crate) struct Observer {
    pub(super) consumer: Arc<BaseConsumer>,
    kafka: Kafka,
}

impl Observer {
    /// What has been written to the event topic and what the group has committed.
    pub(crate) async fn progress(&self) -> anyhow::Result<Progress> {
        let (consumer, topic) = (self.consumer.clone(), self.kafka.topic.clone());
        blocking(move || progress(&consumer, &topic)).await
    }

    /// Each partition's first offset, and the one that comes after its last.
    pub(crate) async fn ends(&self, topic: &str) -> anyhow::Result<BTreeMap<i32, (i64, i64)>> {
        let (consumer, topic) = (self.consumer.clone(), topic.to_owned());
        blocking(move || ends(&consumer, &topic)).await
    }

    /// How many brokers there are, and how many consumers the group has.
    pub(crate) async fn members(&self) -> anyhow::Result<(usize, usize)> {
        let consumer = self.consumer.clone();
        blocking(move || {
            let metadata = consumer.fetch_metadata(None, METADATA).context("Kafka does not answer")?;
            let groups = consumer.fetch_group_list(Some(GROUP), METADATA).context("Kafka does not answer")?;
            let members = groups.groups().iter().map(|group| group.members().len()).sum();
            Ok((metadata.brokers().len(), members))
        })
        .await
    }

    /// How many records the dead-letter queue holds.
    pub(crate) async fn dead_letters(&self) -> anyhow::Result<i64> {
        Ok(self.ends(&self.kafka.dlq_topic).await?.values().map(|(first, next)| next - first).sum())
    }
}

/// librdkafka's queries block their thread.
pub(super) async fn blocking<T: Send + 'static>(
    query: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(query).await.context("a query of Kafka panicked")?
}

/// Each partition's first offset, and the one that comes after its last.
fn ends(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<BTreeMap<i32, (i64, i64)>> {
    let metadata = consumer.fetch_metadata(Some(topic), METADATA).context("Kafka does not answer")?;
    let partitions = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
    if partitions.is_empty() {
        bail!("Kafka has no topic {topic}; `persister migrate` creates it");
    }
    partitions
        .iter()
        .map(|partition| Ok((partition.id(), consumer.fetch_watermarks(topic, partition.id(), METADATA)?)))
        .collect()
}

fn progress(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<Progress> {
    let ends = ends(consumer, topic)?;
    let mut asked = TopicPartitionList::new();
    for partition in ends.keys() {
        asked.add_partition(topic, *partition);
    }
    let committed = consumer.committed_offsets(asked, METADATA)?;
    let partitions = ends.into_iter().map(|(partition, (first, next))| {
        let found = committed.find_partition(topic, partition).map(|found| found.offset());
        // No commit yet: the group will begin at the first.
        let committed = if let Some(Offset::Offset(offset)) = found { offset } else { first };
        // Nor can it go on where nothing is any more, or, in a topic that was made anew, not yet.
        // The two ends are asked one after the other, so they may even cross.
        let at = committed.clamp(first, next.max(first));
        (partition, End { committed: at, next, dropped: (first - committed).max(0) })
    });
    Ok(Progress(partitions.collect()))
}

/// How far the group is, by partition of the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress(pub(crate) BTreeMap<i32, End>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The first offset that the group has not yet applied.
    pub(crate) committed: i64,
    /// The offset that the next record will get.
    pub(crate) next: i64,
    /// Records that Kafka has dropped before the group applied them.
    pub(crate) dropped: i64,
}

impl Progress {
    /// How many records that were there at `mark` are not yet applied.
    pub(crate) fn behind(&self, mark: &Self) -> i64 {
        let behind = |(partition, end): (&i32, &End)| {
            end.next - self.0.get(partition).map_or(0, |now| now.committed).min(end.next)
        };
        mark.0.iter().map(behind).sum()
    }

    /// Records that Kafka has dropped before the group applied them, as far as it has not gone on after them yet.
    pub(crate) fn dropped(&self) -> i64 {
        self.0.values().map(|end| end.dropped).sum()
    }
}

/// Writes to Kafka with the contract's guarantees.
#[derive(Clone)]
pub(crate) struct Producer {
    client: FutureProducer,
    partitions: i32,
    topic: String,
    dlq_topic: String,
}

/// What goes into the dead-letter queue beside the bytes themselves.
pub(crate) type DeadLetterHeaders<'a> = &'a [(&'a str, &'a str)];

impl Producer {
    /// Queues an event. All events of one of our partitions go to one partition of the topic, so that consumers of
    /// different ones do not wait for each other's locks. The future ends when Kafka has it, or has failed to take it.
    pub(crate) async fn send(
        &self,
        partition: Partition,
        key: &str,
        event: &[u8],
    ) -> Result<DeliveryFuture, KafkaError> {
        let to = i32::from(partition.get()) % self.partitions;
        self.queue(FutureRecord::to(&self.topic).partition(to).key(key).payload(event)).await
    }

    /// Queues what cannot be applied, with the reason.
    pub(crate) async fn bury(&self, bytes: &[u8], why: DeadLetterHeaders<'_>) -> Result<DeliveryFuture, KafkaError> {
        let headers = why.iter().fold(OwnedHeaders::new_with_capacity(why.len()), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(*value) })
        });
        self.queue(FutureRecord::<str, [u8]>::to(&self.dlq_topic).payload(bytes).headers(headers)).await
    }

    async fn queue(&self, mut record: FutureRecord<'_, str, [u8]>) -> Result<DeliveryFuture, KafkaError> {
        loop {
            match self.client.send_result(record) {
                Ok(delivery) => return Ok(delivery),
                // Room comes within the delivery timeout, one way or the other.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}

/// Waits until Kafka has a queued record.
pub(crate) async fn delivered(delivery: DeliveryFuture) -> Result<(), KafkaError> {
    match delivery.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((error, _))) => Err(error),
        Err(_) => Err(KafkaError::Canceled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(ends: &[(i32, i64, i64)]) -> Progress {
        Progress(
            ends.iter().map(|&(partition, committed, next)| (partition, End { committed, next, dropped: 0 })).collect(),
        )
    }

    #[test]
    fn a_group_is_behind_by_what_it_has_not_committed_of_what_was_there() {
        let mark = progress(&[(0, 5, 10), (1, 0, 0), (2, 7, 7)]);
        assert_eq!(mark.behind(&mark), 5);
        let later = progress(&[(0, 10, 30), (1, 0, 9), (2, 7, 7)]);
        assert_eq!(later.behind(&mark), 0, "what came after the mark does not count");
        let rewound = progress(&[(0, 4, 30), (1, 0, 9), (2, 7, 7)]);
        assert_eq!(rewound.behind(&mark), 6);
    }
}
