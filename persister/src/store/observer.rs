//! Questions to Kafka: what has been written, and what the group has applied.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};

use super::{
    error::{Store, StoreError},
    kafka::{
        CONSUME, Kafka, METADATA,
        reasons::{Reasons, with_reason},
    },
    progress::{End, Progress},
    shared::Asking,
};

/// A record's time comes from the relay's clock, an event's time from Redis's clock.
const SKEW_MS: i64 = 3_600_000;

/// A client that fails is kept for so long: connecting takes time, and OAUTHBEARER fetches a token for each client.
const RENEWED: Duration = Duration::from_secs(20);

/// The first offset of each partition, and the offset after its last record.
pub(crate) type Ends = BTreeMap<i32, (i64, i64)>;

impl Kafka {
    /// The ends of the event topic, and the group's committed offsets.
    pub(crate) async fn progress(&self) -> Result<Progress, StoreError> {
        let topic = self.topic.clone();
        self.ask(move |consumer| progress(consumer, &topic)).await
    }

    /// The ends of each partition of a topic.
    pub(crate) async fn ends(&self, topic: &str) -> Result<Ends, StoreError> {
        let topic = topic.to_owned();
        self.ask(move |consumer| ends(consumer, &topic)).await
    }

    /// The number of brokers, and of consumers in the group.
    pub(crate) async fn members(&self) -> Result<(usize, usize), StoreError> {
        let group = self.group(CONSUME);
        self.ask(move |consumer| {
            let metadata = consumer.fetch_metadata(None, METADATA)?;
            let groups = consumer.fetch_group_list(Some(&group), METADATA)?;
            let members = groups.groups().iter().map(|group| group.members().len()).sum();
            Ok((metadata.brokers().len(), members))
        })
        .await
    }

    /// The number of records in the dead-letter queue.
    pub(crate) async fn dead_letters(&self) -> Result<i64, StoreError> {
        Ok(self.ends(&self.dlq_topic).await?.values().map(|(first, next)| next - first).sum())
    }

    /// For each of these partitions, the offset of the first record that may hold an event from `since` on; the end if
    /// there is none.
    pub(crate) async fn begins(
        &self,
        topic: &str,
        partitions: &[i32],
        since: Timestamp,
    ) -> Result<Vec<(i32, i64)>, StoreError> {
        let (topic, partitions) = (topic.to_owned(), partitions.to_vec());
        self.ask(move |consumer| begin_at(consumer, &topic, &partitions, since)).await
    }

    /// Asks a client that reads ends and offsets without joining the group; librdkafka's queries block their thread. If a
    /// client fails that had time to connect, the next question creates a new one, because one that has lost all brokers
    /// may never find them again.
    async fn ask<T: Send + 'static>(
        &self,
        query: impl FnOnce(&BaseConsumer<Reasons>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Asking { client, since } = self.observer()?;
        let kafka = self.clone();
        let asking = move || {
            let answer = with_reason(&client, query(&client));
            if since.elapsed() > RENEWED && answer.as_ref().is_err_and(|error| error.store() == Some(Store::Kafka)) {
                kafka.shared.observer().take_if(|kept| Arc::ptr_eq(&kept.client, &client));
            }
            answer
        };
        tokio::task::spawn_blocking(asking)
            .await
            .map_err(|_| StoreError::Other("a query of Kafka panicked".to_owned()))?
    }

    fn observer(&self) -> Result<Asking, StoreError> {
        let mut kept = self.shared.observer();
        if let Some(asking) = &*kept {
            return Ok(asking.clone());
        }
        let client =
            Arc::new(self.client().set("group.id", self.group(CONSUME)).create_with_context(Reasons::default())?);
        Ok(kept.insert(Asking { client, since: Instant::now() }).clone())
    }
}

fn ends(consumer: &BaseConsumer<Reasons>, topic: &str) -> Result<Ends, StoreError> {
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

fn progress(consumer: &BaseConsumer<Reasons>, topic: &str) -> Result<Progress, StoreError> {
    let ends = ends(consumer, topic)?;
    let mut asked = TopicPartitionList::new();
    for partition in ends.keys() {
        asked.add_partition(topic, *partition);
    }
    let committed = consumer.committed_offsets(asked, METADATA)?;
    let partitions = ends.into_iter().map(|(partition, (first, next))| {
        let found = committed.find_partition(topic, partition).map(|found| found.offset());
        // Without a commit the group begins at the first offset.
        let committed = if let Some(Offset::Offset(offset)) = found { offset } else { first };
        // Clamp the offset: it may have expired, or lie past the end of a recreated topic. The two ends are read one
        // after the other and may cross.
        let at = committed.clamp(first, next.max(first));
        (partition, End { committed: at, next, dropped: (first - committed).max(0) })
    });
    Ok(Progress(partitions.collect()))
}

fn begin_at(
    consumer: &BaseConsumer<Reasons>,
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
