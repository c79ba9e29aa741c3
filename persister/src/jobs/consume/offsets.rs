//! Which offsets are committed: those of durable records in partitions that this consumer still owns.

use std::{collections::BTreeMap, sync::Arc};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer as _, StreamConsumer},
    error::KafkaResult,
};
use tracing::{debug, warn};

use super::{owned::Owned, record::Batch};

/// The next offset of each partition, after everything that is durable.
pub(crate) struct Offsets<'a> {
    consumer: &'a Arc<StreamConsumer<Owned>>,
    topic: &'a str,
    next: Next,
}

/// By partition: the assignment under which the record came, and the offset.
#[derive(Debug, Default)]
struct Next(BTreeMap<i32, (u64, i64)>);

impl Next {
    fn durable(&mut self, batch: &Batch) {
        for record in batch {
            if let Some(assignment) = record.assignment {
                // Set it, do not raise it: a partition that was revoked and assigned again continues at its committed
                // offset.
                self.0.insert(record.partition, (assignment, record.offset + 1));
            }
        }
    }

    /// The offsets that may be committed: those of partitions still owned under the assignment under which their
    /// records came.
    fn committable(&self, owned: &Owned) -> Vec<(i32, i64)> {
        let ours = |partition: &i32, assignment: &u64| owned.assignment(*partition) == Some(*assignment);
        let next = self.0.iter().filter(|(partition, (assignment, _))| ours(partition, assignment));
        next.map(|(partition, (_, offset))| (*partition, *offset)).collect()
    }
}

impl<'a> Offsets<'a> {
    pub(crate) const fn new(consumer: &'a Arc<StreamConsumer<Owned>>, topic: &'a str) -> Self {
        Self { consumer, topic, next: Next(BTreeMap::new()) }
    }

    /// A batch is durable.
    pub(crate) fn durable(&mut self, batch: &Batch) {
        self.next.durable(batch);
        self.commit();
    }

    /// Commits to Kafka without waiting.
    pub(crate) fn commit(&self) {
        if let Err(error) = self.commit_as(CommitMode::Async) {
            debug!("Kafka did not take offsets: {error}");
        }
    }

    fn commit_as(&self, mode: CommitMode) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for (partition, next) in self.next.committable(self.consumer.context()) {
            list.add_partition_offset(self.topic, partition, Offset::Offset(next))?;
        }
        if list.count() == 0 { Ok(()) } else { self.consumer.commit(&list, mode) }
    }

    /// Waits until Kafka has the offsets before the consumer leaves, so that nothing is delivered again.
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

#[cfg(test)]
mod tests {
    use contract::Event;

    use super::{super::record::Record, *};

    fn record(partition: i32, offset: i64, owned: &Owned) -> Record {
        let event = Event::from_json(b"");
        Record { partition, offset, assignment: owned.assignment(partition), bytes: vec![], event }
    }

    #[test]
    fn a_partition_that_went_and_came_back_is_not_set_back() {
        let (owned, mut next) = (Owned::default(), Next::default());
        owned.assign(&[1, 2]);
        next.durable(&vec![record(1, 100, &owned), record(2, 7, &owned)]);
        assert_eq!(next.committable(&owned), [(1, 101), (2, 8)]);

        let late = record(1, 101, &owned);
        owned.revoke(&[1]);
        assert_eq!(next.committable(&owned), [(2, 8)]);
        // Another consumer went on to 500 meanwhile.
        owned.assign(&[1]);
        assert_eq!(next.committable(&owned), [(2, 8)]);
        next.durable(&vec![late]);
        assert_eq!(next.committable(&owned), [(2, 8)], "it came before the partition went");
        next.durable(&vec![record(1, 500, &owned)]);
        assert_eq!(next.committable(&owned), [(1, 501), (2, 8)]);
    }
}
