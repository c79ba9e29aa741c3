//! Questions to Kafka: what has been written, and what the group has applied.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};

use super::{
    error::StoreError,
    kafka::{GROUP, Kafka, METADATA},
    progress::{End, Progress},
};

/// A record gets its time from the relay's clock, an event from that of Redis.
const SKEW_MS: i64 = 3_600_000;

/// Each partition's first offset, and the one that comes after its last.
pub(crate) type Ends = BTreeMap<i32, (i64, i64)>;

impl Kafka {
    /// A client that asks what has been written and how far the group is, without being a member of it.
    pub(crate) fn observer(&self) -> Result<Observer, StoreError> {
        let consumer = if let Some(consumer) = self.shared.observer.get() {
            consumer
        } else {
            let consumer: BaseConsumer = self.client().set("group.id", GROUP).create()?;
            // Of two that are made at once, one is kept.
            self.shared.observer.get_or_init(|| Arc::new(consumer))
        };
        Ok(Observer { consumer: Arc::clone(consumer), kafka: self.clone() })
    }
}

/// Asks how far the group is.
pub(crate) struct Observer {
    consumer: Arc<BaseConsumer>,
    kafka: Kafka,
}

impl Observer {
    /// What has been written to the event topic and what the group has committed.
    pub(crate) async fn progress(&self) -> Result<Progress, StoreError> {
        let topic = self.kafka.topic.clone();
        self.ask(move |consumer| progress(consumer, &topic)).await
    }

    /// The ends of each partition of a topic.
    pub(crate) async fn ends(&self, topic: &str) -> Result<Ends, StoreError> {
        let topic = topic.to_owned();
        self.ask(move |consumer| ends(consumer, &topic)).await
    }

    /// How many brokers there are, and how many consumers the group has.
    pub(crate) async fn members(&self) -> Result<(usize, usize), StoreError> {
        self.ask(|consumer| {
            let metadata = consumer.fetch_metadata(None, METADATA)?;
            let groups = consumer.fetch_group_list(Some(GROUP), METADATA)?;
            let members = groups.groups().iter().map(|group| group.members().len()).sum();
            Ok((metadata.brokers().len(), members))
        })
        .await
    }

    /// How many records the dead-letter queue holds.
    pub(crate) async fn dead_letters(&self) -> Result<i64, StoreError> {
        Ok(self.ends(&self.kafka.dlq_topic).await?.values().map(|(first, next)| next - first).sum())
    }

    /// Where the records begin, in each of these partitions, that may hold an event of after `since`; past the end
    /// where there is none.
    pub(crate) async fn begins(
        &self,
        topic: &str,
        partitions: &[i32],
        since: Timestamp,
    ) -> Result<Vec<(i32, i64)>, StoreError> {
        let (topic, partitions) = (topic.to_owned(), partitions.to_vec());
        self.ask(move |consumer| begin_at(consumer, &topic, &partitions, since)).await
    }

    /// librdkafka's queries block their thread.
    async fn ask<T: Send + 'static>(
        &self,
        query: impl FnOnce(&BaseConsumer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let consumer = Arc::clone(&self.consumer);
        let asking = move || {
            let answer = query(&consumer);
            // It reads nothing: only errors wait there, and would pile up.
            let _ = consumer.poll(Duration::ZERO);
            answer
        };
        tokio::task::spawn_blocking(asking)
            .await
            .map_err(|_| StoreError::Other("a query of Kafka panicked".to_owned()))?
    }
}

fn ends(consumer: &BaseConsumer, topic: &str) -> Result<Ends, StoreError> {
    let metadata = consumer.fetch_metadata(Some(topic), METADATA)?;
    let partitions = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
    if partitions.is_empty() {
        return Err(StoreError::Other(format!("Kafka has no topic {topic}; `persister migrate` creates it")));
    }
    partitions
        .iter()
        .map(|partition| Ok((partition.id(), consumer.fetch_watermarks(topic, partition.id(), METADATA)?)))
        .collect()
}

fn progress(consumer: &BaseConsumer, topic: &str) -> Result<Progress, StoreError> {
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
        // Clamp the offset: it may have expired, or lie past the end of a recreated topic. The two ends are asked one
        // after the other, so they may even cross.
        let at = committed.clamp(first, next.max(first));
        (partition, End { committed: at, next, dropped: (first - committed).max(0) })
    });
    Ok(Progress(partitions.collect()))
}

fn begin_at(
    consumer: &BaseConsumer,
    topic: &str,
    partitions: &[i32],
    since: Timestamp,
) -> Result<Vec<(i32, i64)>, StoreError> {
    let mut asked = TopicPartitionList::new();
    for partition in partitions {
        let at = since.as_millisecond().saturating_sub(SKEW_MS).max(0);
        asked.add_partition_offset(topic, *partition, Offset::Offset(at))?;
    }
    let found = consumer.offsets_for_times(asked, METADATA)?;
    Ok(found
        .elements()
        .iter()
        .map(|element| {
            let offset = if let Offset::Offset(offset) = element.offset() { offset } else { i64::MAX };
            (element.partition(), offset)
        })
        .collect())
}
