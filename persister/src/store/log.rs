//! Reading a topic from beginning to end, for commands: without a group, in bounded memory.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::OwnedMessage,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    error::{Store, StoreError},
    kafka::Kafka,
    progress::Progress,
};

/// The limit for repeated questions to Kafka. After it, Kafka is down.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was in a topic when it was opened. Partitions are read side by side, each in order.
pub(crate) struct Log {
    consumer: StreamConsumer,
    /// For each partition that is not read to its end: the next offset, and the end.
    left: BTreeMap<i32, (i64, i64)>,
    stop: CancellationToken,
}

impl Kafka {
    /// Opens a topic at its beginning, or at the first record that may hold an event from `since` on.
    pub(crate) async fn log(
        &self,
        topic: &str,
        since: Option<Timestamp>,
        stop: &CancellationToken,
    ) -> Result<Log, StoreError> {
        let ends = self.ends(topic).await?;
        let mut left: BTreeMap<i32, (i64, i64)> = ends.into_iter().filter(|(_, (first, next))| first < next).collect();
        if let Some(since) = since {
            let partitions: Vec<i32> = left.keys().copied().collect();
            for (partition, begin) in self.begins(topic, &partitions, since).await? {
                if let Some((next, _)) = left.get_mut(&partition) {
                    *next = (*next).max(begin);
                }
            }
        }
        self.read(topic, left, stop)
    }

    /// Opens the event topic at the first record that the group has not applied.
    pub(crate) async fn unapplied(&self, stop: &CancellationToken) -> Result<Log, StoreError> {
        let Progress(ends) = self.progress().await?;
        let left = ends.into_iter().map(|(partition, end)| (partition, (end.committed, end.next))).collect();
        self.read(&self.topic, left, stop)
    }

    fn read(
        &self,
        topic: &str,
        mut left: BTreeMap<i32, (i64, i64)>,
        stop: &CancellationToken,
    ) -> Result<Log, StoreError> {
        let consumer: StreamConsumer = self
            .client()
            .set("group.id", self.group("log"))
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            // If the next records have expired in the meantime, continue with those that are left.
            .set("auto.offset.reset", "earliest")
            .set("queued.max.messages.kbytes", "16384")
            .create()?;
        left.retain(|_, (next, end)| next < end);
        let mut assigned = TopicPartitionList::new();
        for (partition, (next, _)) in &left {
            assigned.add_partition_offset(topic, *partition, Offset::Offset(*next))?;
        }
        consumer.assign(&assigned)?;
        Ok(Log { consumer, left, stop: stop.clone() })
    }
}

impl Log {
    /// The number of offsets still to be read.
    pub(crate) fn left(&self) -> u64 {
        self.left.values().map(|(next, end)| end.saturating_sub(*next).unsigned_abs()).sum()
    }

    /// The next record. None at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<OwnedMessage>, StoreError> {
        while !self.left.is_empty() {
            let received = tokio::select! {
                () = self.stop.cancelled() => return Err(StoreError::Other("stopped before the end".to_owned())),
                received = tokio::time::timeout(PATIENCE, self.consumer.recv()) => received,
            };
            match received {
                Err(_) => return Err(StoreError::Stalled { store: Store::Kafka, within: PATIENCE }),
                Ok(Ok(message)) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    let Some((next, end)) = self.left.get_mut(&partition) else { continue };
                    if offset >= *end {
                        self.left.remove(&partition);
                        continue;
                    }
                    *next = offset + 1;
                    if next == end {
                        self.left.remove(&partition);
                    }
                    return Ok(Some(message.detach()));
                }
                // The records before the end may have expired in the meantime.
                Ok(Err(KafkaError::PartitionEOF(partition))) => {
                    self.left.remove(&partition);
                }
                Ok(Err(error)) if error.rdkafka_error_code().is_some_and(passes) => {}
                Ok(Err(error)) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

/// librdkafka recovers from these errors by itself.
fn passes(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut};
    matches!(code, AllBrokersDown | BrokerTransportFailure | OperationTimedOut)
}

/// Most errors of a consumer pass: librdkafka reconnects and rejoins the group.
pub(crate) fn pass_or_fail(error: KafkaError) -> Result<(), StoreError> {
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
        return Err(error.into());
    }
    warn!("Kafka: {error}");
    Ok(())
}
