//! Writing to Kafka with the contract's guarantees.

use std::{
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use contract::Partition;
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord},
};

use super::{
    error::{Store, StoreError},
    kafka::{DELIVERY, Kafka},
    partitions::Partitions,
    shared::{Open, Producing},
};

/// The most bytes of a record in the dead-letter queue. librdkafka refuses a message that has a million bytes with its headers
/// (`message.max.bytes`), at each attempt. No event of this service has more than a few thousand.
const LARGEST_LETTER: usize = 900_000;

/// The most bytes of a header there. A decoder's error quotes what it found, however long it is.
const LONGEST_HEADER: usize = 1000;

impl Kafka {
    /// The producer for the event topic and the dead-letter queue. A process has one, however many servers it relays.
    /// Each producer has threads, a queue and connections to all brokers.
    pub(crate) async fn producer(&self) -> Result<Producer, StoreError> {
        let asked = Instant::now();
        let mut state = self.shared.producing.lock().await;
        let open = match &state.open {
            Some(open) if open.is_usable() => Arc::clone(open),
            before => {
                // One that replaces another asks nothing: a partition that cannot answer must not stop the others.
                let partitions = match before {
                    Some(before) => Arc::clone(&before.partitions),
                    None => Arc::new(Partitions::new(self.partitions(&mut state, asked).await?)),
                };
                let open = Arc::new(Open { client: self.open()?, partitions, lost: AtomicBool::new(false) });
                state.open = Some(Arc::clone(&open));
                open
            }
        };
        Ok(Producer { open, topic: self.topic.clone(), dlq_topic: self.dlq_topic.clone() })
    }

    /// Asks Kafka. A failure is the answer for everybody who waited for it.
    async fn partitions(&self, state: &mut Producing, asked: Instant) -> Result<i32, StoreError> {
        if let Some((why, at)) = &state.failed
            && *at > asked
        {
            return Err(StoreError::Answer(Store::Kafka, why.clone()));
        }
        let answer = self.ask_for_topics().await;
        if let Err(error) = &answer {
            state.failed = Some((in_words(error), Instant::now()));
        }
        answer
    }

    async fn ask_for_topics(&self) -> Result<i32, StoreError> {
        // Use a consumer: a broker may create a topic that a producer asks for.
        let partitions = self.ends(&self.topic).await?.len();
        self.ends(&self.dlq_topic).await?;
        i32::try_from(partitions)
            .map_err(|_| StoreError::Answer(Store::Kafka, "more partitions than it can have".to_owned()))
    }

    fn open(&self) -> Result<FutureProducer, StoreError> {
        Ok(self
            .client()
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "2")
            .set("compression.type", "lz4")
            .set("message.timeout.ms", DELIVERY.as_millis().to_string())
            .create()?)
    }
}

/// The client's own error message.
fn in_words(error: &StoreError) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Writes to Kafka with the contract's guarantees.
#[derive(Clone)]
pub(crate) struct Producer {
    open: Arc<Open>,
    topic: String,
    dlq_topic: String,
}

/// The headers of a record in the dead-letter queue.
pub(crate) type DeadLetterHeaders<'a> = &'a [(&'a str, &'a str)];

impl Producer {
    /// Queues an event. All events of one of our partitions go to one partition of the topic, so that consumers of
    /// different partitions do not wait for each other's locks.
    pub(crate) async fn send(&self, partition: Partition, key: &str, event: &[u8]) -> Result<Delivery, StoreError> {
        let to = i32::from(partition.get()) % self.open.partitions.now(&self.open.client, &self.topic);
        self.queue(FutureRecord::to(&self.topic).partition(to).key(key).payload(event)).await
    }

    /// Queues a record that cannot be applied, with the reason. Only the beginning of what is too large to be sent.
    pub(crate) async fn bury(&self, bytes: &[u8], why: DeadLetterHeaders<'_>) -> Result<Delivery, StoreError> {
        let size = bytes.len().to_string();
        let kept = (bytes.len() > LARGEST_LETTER).then(|| &bytes[..LARGEST_LETTER]);
        let cut = kept.map(|_| ("cut_from_bytes", size.as_str()));
        let headers = why.iter().copied().chain(cut).fold(
            OwnedHeaders::new_with_capacity(why.len() + 1),
            |headers, (key, value)| {
                headers.insert(Header { key, value: Some(&value[..value.floor_char_boundary(LONGEST_HEADER)]) })
            },
        );
        let payload = kept.unwrap_or(bytes);
        self.queue(FutureRecord::<str, [u8]>::to(&self.dlq_topic).payload(payload).headers(headers)).await
    }

    async fn queue(&self, mut record: FutureRecord<'_, str, [u8]>) -> Result<Delivery, StoreError> {
        loop {
            match self.open.client.send_result(record) {
                Ok(result) => return Ok(Delivery { result, by: Arc::clone(&self.open) }),
                // The queue has room again within the delivery timeout.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
}

/// A queued record on its way.
pub(crate) struct Delivery {
    result: DeliveryFuture,
    by: Arc<Open>,
}

impl Delivery {
    /// Waits until Kafka has the record or has refused it.
    pub(crate) async fn done(self) -> Result<(), StoreError> {
        match self.result.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => {
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut) {
                    self.by.lost.store(true, Ordering::Relaxed);
                }
                Err(error.into())
            }
            Err(_) => Err(KafkaError::Canceled.into()),
        }
    }
}
