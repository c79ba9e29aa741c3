//! Which offsets are committed: those of durable records, of partitions that are still this consumer's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance, StreamConsumer},
    error::KafkaResult,
    topic_partition_list::TopicPartitionListElem,
};
use tracing::{debug, info, warn};

use super::collector::Batch;

/// The partitions that are this consumer's at the moment.
#[derive(Debug, Default)]
pub(crate) struct Owned(Mutex<BTreeSet<i32>>);

impl Owned {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Owned {
    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        debug!("Kafka: {error}: {reason}");
    }
}

impl ConsumerContext for Owned {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let numbers = |list: &TopicPartitionList| -> Vec<i32> {
            list.elements().iter().map(TopicPartitionListElem::partition).collect()
        };
        match rebalance {
            Rebalance::Assign(list) => {
                info!(partitions = ?numbers(list), "got partitions");
                self.lock().extend(numbers(list));
            }
            Rebalance::Revoke(list) => {
                info!(partitions = ?numbers(list), "gave up partitions");
                let mut owned = self.lock();
                for partition in numbers(list) {
                    owned.remove(&partition);
                }
            }
            Rebalance::Error(error) => warn!("Kafka: {error}"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            // Said again within seconds; until then the records would only be delivered again.
            debug!("Kafka did not take offsets: {error}");
        }
    }
}

/// The next offset of each partition, after all that is durable.
pub(crate) struct Offsets<'a> {
    consumer: &'a Arc<StreamConsumer<Owned>>,
    topic: &'a str,
    next: BTreeMap<i32, i64>,
}

impl<'a> Offsets<'a> {
    pub(crate) const fn new(consumer: &'a Arc<StreamConsumer<Owned>>, topic: &'a str) -> Self {
        Self { consumer, topic, next: BTreeMap::new() }
    }

    /// A batch is durable.
    pub(crate) fn durable(&mut self, batch: &Batch) {
        for record in batch {
            // Set, not raised: a partition that went and came back begins where its commit says.
            self.next.insert(record.partition, record.offset + 1);
        }
        let owned = self.consumer.context().lock().clone();
        self.next.retain(|partition, _| owned.contains(partition));
        self.commit();
    }

    /// Tells Kafka, without waiting.
    pub(crate) fn commit(&self) {
        if let Err(error) = self.commit_as(CommitMode::Async) {
            debug!("Kafka did not take offsets: {error}");
        }
    }

    fn commit_as(&self, mode: CommitMode) -> KafkaResult<()> {
        let owned = self.consumer.context().lock().clone();
        let mut list = TopicPartitionList::new();
        for (partition, next) in self.next.iter().filter(|(partition, _)| owned.contains(partition)) {
            list.add_partition_offset(self.topic, *partition, Offset::Offset(*next))?;
        }
        if list.count() == 0 { Ok(()) } else { self.consumer.commit(&list, mode) }
    }

    /// Before the consumer leaves: waits until Kafka has them, so that nothing is delivered again.
    pub(crate) async fn commit_finally(self) {
        let (consumer, topic, next) = (Arc::clone(self.consumer), self.topic.to_owned(), self.next);
        let commit = tokio::task::spawn_blocking(move || {
            Offsets { consumer: &consumer, topic: &topic, next }.commit_as(CommitMode::Sync)
        });
        if let Ok(Err(error)) = commit.await {
            warn!("Kafka did not take the last offsets, the last batch will be delivered again: {error}");
        }
    }
}
