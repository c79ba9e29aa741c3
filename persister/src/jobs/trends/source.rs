//! Reading the topic from the saved position, outside any consumer group.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
};

use crate::{
    ledger::history::Day,
    store::{StoreError, kafka::Kafka, observer::Ends},
};

/// Everything that may still be ranked: the longest window plus the bucket that is being filled.
const BACK: SignedDuration = SignedDuration::from_hours(7 * 24 + 12);
/// The size of one fetch of a partition. Counting is fast, so little needs to be read ahead.
const FETCH_BYTES: u32 = 32_768;

/// The next offset of each partition.
pub(super) type Positions = BTreeMap<i32, i64>;

/// A time as versions have it.
pub(super) fn milliseconds(at: Timestamp) -> u64 {
    at.as_millisecond().try_into().unwrap_or_default()
}

/// The time from which on the topic is read, if no position is known.
pub(super) fn oldest_that_counts(now: Timestamp) -> Timestamp {
    now - BACK
}

pub(super) struct Source {
    pub(super) consumer: Arc<StreamConsumer>,
    kafka: Kafka,
}

impl Source {
    /// Reads all existing partitions. If a partition has no position, or its position no longer exists (its records
    /// expired, or the topic was recreated), reading starts with the records that may still count. Versions show which
    /// of them were counted before.
    pub(super) async fn open(kafka: &Kafka, positions: &mut Positions) -> Result<Self, StoreError> {
        let topic = &kafka.topic;
        let ends = kafka.ends(topic).await?;
        positions.retain(|partition, _| ends.contains_key(partition));
        let lost = lost(&ends, positions);
        if !lost.is_empty() {
            for (partition, begin) in kafka.begins(topic, &lost, oldest_that_counts(Timestamp::now())).await? {
                let (first, next) = ends.get(&partition).copied().unwrap_or_default();
                positions.insert(partition, begin.clamp(first, next));
            }
        }
        let mut assigned = TopicPartitionList::new();
        for (partition, next) in &*positions {
            assigned.add_partition_offset(topic, *partition, Offset::Offset(*next))?;
        }
        let consumer: StreamConsumer = kafka
            .reader(FETCH_BYTES)
            // The group is never joined and nothing is committed to it, so each process reads all partitions.
            .set("group.id", kafka.group("trends"))
            .create()?;
        consumer.assign(&assigned)?;
        Ok(Self { consumer: Arc::new(consumer), kafka: kafka.clone() })
    }

    /// The first day of which the topic has every record: from the oldest that may be ranked on, or later if records have
    /// expired since.
    pub(super) async fn whole_since(&self) -> Result<Day, StoreError> {
        let now = Timestamp::now();
        let ends = self.kafka.ends(&self.kafka.topic).await?;
        let expired: Vec<i32> =
            ends.iter().filter(|(_, (first, _))| *first > 0).map(|(partition, _)| *partition).collect();
        let mut day = Day::of_ms(milliseconds(oldest_that_counts(now))).next();
        while !expired.is_empty() && day <= Day::of_ms(milliseconds(now)) {
            let begins = self.kafka.begins(&self.kafka.topic, &expired, day.begin()).await?;
            let first = |partition| ends.get(partition).map_or(0, |(first, _)| *first);
            if begins.iter().all(|(partition, begin)| *begin > first(partition)) {
                break;
            }
            day = day.next();
        }
        Ok(day)
    }

    /// The current end of the topic. None if the topic's partitions changed, or if the next records no longer exist.
    pub(super) async fn ends(&self, positions: &Positions) -> Result<Option<Positions>, StoreError> {
        let ends = self.kafka.ends(&self.kafka.topic).await?;
        let same = lost(&ends, positions).is_empty() && ends.len() == positions.len();
        Ok(same.then(|| ends.into_iter().map(|(partition, (_, next))| (partition, next)).collect()))
    }
}

/// The partitions whose position no longer exists.
fn lost(ends: &Ends, positions: &Positions) -> Vec<i32> {
    let known = |partition: &i32, (first, next): &(i64, i64)| {
        positions.get(partition).is_some_and(|position| (first..=next).contains(&position))
    };
    ends.iter().filter(|(partition, ends)| !known(partition, ends)).map(|(partition, _)| *partition).collect()
}

/// Whether everything up to those ends has been read.
pub(super) fn reached(positions: &Positions, ends: &Positions) -> bool {
    ends.iter().all(|(partition, next)| positions.get(partition).is_some_and(|position| position >= next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_lost_whose_next_record_is_not_there() {
        let ends = Ends::from([(0, (0, 10)), (1, (5, 10)), (2, (0, 10)), (3, (0, 0)), (4, (7, 7))]);
        let positions = Positions::from([(0, 10), (1, 4), (2, 11), (4, 7), (9, 1)]);
        assert_eq!(lost(&ends, &positions), [1, 2, 3]);
    }

    #[test]
    fn an_end_is_reached_when_no_partition_is_behind_it() {
        let positions = Positions::from([(0, 10), (1, 4)]);
        assert!(reached(&positions, &Positions::from([(0, 9), (1, 4)])));
        assert!(!reached(&positions, &Positions::from([(0, 10), (1, 5)])));
        assert!(!reached(&positions, &Positions::from([(2, 0)])));
    }
}
