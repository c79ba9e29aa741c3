//! Filling batches, by count and by deadline.

use std::time::Duration;

use futures::StreamExt as _;
use rdkafka::{
    Message as _,
    consumer::{Consumer as _, StreamConsumer},
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    owned::Owned,
    record::{Batch, Record},
};
use crate::{
    config::ConsumeOptions,
    store::{StoreError, log::pass_or_fail},
};

/// The most records taken from Kafka's client at once.
const CHUNK: usize = 256;

/// Gives each idle lane a batch of its own Kafka partitions when that batch is due. A busy lane's batch keeps growing.
/// When as many records wait as all lanes take at once, the rest stays in Kafka. Ends when the lanes have ended, or the
/// consumer has failed for good.
pub(crate) async fn collect(
    consumer: &StreamConsumer<Owned>,
    options: ConsumeOptions,
    lanes: Vec<mpsc::Sender<Batch>>,
    mut idle: mpsc::Receiver<usize>,
) -> Result<(), StoreError> {
    let most = options.batch_events as usize * lanes.len();
    let mut queues: Vec<Queue> = lanes.into_iter().map(|lane| Queue::new(lane, options)).collect();
    let mut messages = consumer.stream().ready_chunks(CHUNK);
    loop {
        let mut next = None;
        for queue in &mut queues {
            let Ok(due) = queue.hand_over() else { return Ok(()) };
            next = next.into_iter().chain(due).min();
        }
        let waiting: usize = queues.iter().map(|queue| queue.records.len()).sum();
        tokio::select! {
            biased;
            lane = idle.recv() => match lane {
                Some(lane) => queues[lane].idle = true,
                None => return Ok(()),
            },
            chunk = messages.next(), if waiting < most => {
                for message in chunk.into_iter().flatten() {
                    match message {
                        Ok(message) => {
                            let lane = lane_of(message.partition(), queues.len());
                            queues[lane].push(Record::of(&message, consumer.context(), options.read_history_days > 0));
                        }
                        Err(error) => pass_or_fail(error)?,
                    }
                }
            }
            () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => (),
        }
    }
}

/// The lane of a Kafka partition. It is always the same, so that events keep their order. It is the sum of the number's
/// digits in the base of the number of lanes, because a consumer often has every second or every fourth partition.
fn lane_of(partition: i32, lanes: usize) -> usize {
    let (mut rest, mut sum) = (usize::try_from(partition).unwrap_or_default(), 0);
    while rest > 0 {
        sum += rest % lanes;
        rest /= lanes;
    }
    sum % lanes
}

/// The records that wait for one lane.
struct Queue {
    lane: mpsc::Sender<Batch>,
    idle: bool,
    records: Batch,
    due: Instant,
    full: usize,
    wait: Duration,
}

impl Queue {
    fn new(lane: mpsc::Sender<Batch>, options: ConsumeOptions) -> Self {
        let (full, wait) = (options.batch_events as usize, Duration::from_millis(options.batch_ms));
        Self { lane, idle: false, records: Batch::new(), due: Instant::now(), full, wait }
    }

    fn push(&mut self, record: Record) {
        if self.records.is_empty() {
            self.due = Instant::now() + self.wait;
        }
        self.records.push(record);
    }

    /// Gives the lane its batch if the lane is idle and the batch is full or due. If the batch only has to become due,
    /// returns when that is. Fails when the lane has ended.
    fn hand_over(&mut self) -> Result<Option<Instant>, ()> {
        if !self.idle || self.records.is_empty() {
            return Ok(None);
        }
        if self.records.len() < self.full && Instant::now() < self.due {
            return Ok(Some(self.due));
        }
        let rest = self.records.split_off(self.full.min(self.records.len()));
        let batch = std::mem::replace(&mut self.records, rest);
        self.idle = false;
        self.lane.try_send(batch).map(|()| None).map_err(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn whichever_partitions_a_consumer_has_all_lanes_work() {
        for step in [1, 2, 4, 8, 16] {
            let lanes: BTreeSet<usize> = (0..4).map(|number| lane_of(number * step, 4)).collect();
            assert_eq!(lanes.len(), 4, "of every {step}th partition");
        }
    }
}
