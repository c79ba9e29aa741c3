//! Which partitions are this consumer's.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    consumer::{BaseConsumer, ConsumerContext, Rebalance},
    error::{KafkaError, KafkaResult},
    topic_partition_list::TopicPartitionListElem,
};
use tracing::{debug, info, warn};

/// The partitions that this consumer owns now.
#[derive(Debug, Default)]
pub(crate) struct Owned(Mutex<Assignments>);

/// Each partition with the number of its assignment. After a partition was revoked and assigned again, what was known
/// before belongs to another consumer's past.
#[derive(Debug, Default)]
struct Assignments {
    last: u64,
    owned: BTreeMap<i32, u64>,
}

impl Owned {
    fn lock(&self) -> MutexGuard<'_, Assignments> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The assignment under which this consumer owns a partition now; none if it does not own it.
    pub(crate) fn assignment(&self, partition: i32) -> Option<u64> {
        self.lock().owned.get(&partition).copied()
    }

    pub(super) fn assign(&self, partitions: &[i32]) {
        let mut all = self.lock();
        all.last += 1;
        let number = all.last;
        all.owned.extend(partitions.iter().map(|partition| (*partition, number)));
    }

    pub(super) fn revoke(&self, partitions: &[i32]) {
        let mut all = self.lock();
        all.owned.retain(|partition, _| !partitions.contains(partition));
    }
}

impl ClientContext for Owned {
    fn error(&self, error: KafkaError, reason: &str) {
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
                self.assign(&numbers(list));
            }
            Rebalance::Revoke(list) => {
                info!(partitions = ?numbers(list), "gave up partitions");
                self.revoke(&numbers(list));
            }
            Rebalance::Error(error) => warn!("Kafka: {error}"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            // The offset is committed again within seconds. Until then, records would only be delivered again.
            debug!("Kafka did not take offsets: {error}");
        }
    }
}
