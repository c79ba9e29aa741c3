//! The consumer: applies the events of Kafka to MySQL.
//!
//! One task fills batches, a few others apply them side by side, each those of its own Kafka partitions: a transaction
//! waits for MySQL and its disk, and one connection of MySQL uses one core. Offsets are committed only for what is durable
//! in MySQL, or in the dead-letter queue.

mod apply;
mod batch;
mod collector;
mod offsets;
mod poison;
mod sql;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

pub(crate) use self::{
    apply::{json, rows_of},
    batch::Pair,
    collector::pass_or_fail,
    sql::lock_partitions,
};
use self::{
    collector::{Batch, collect},
    offsets::{Offsets, Owned},
};
use crate::{
    backoff::Backoff,
    config::ConsumeOptions,
    metrics,
    store::{Stores, kafka},
};

/// How often offsets are committed again while nothing comes: a commit that came late, after a rebalance, may have set
/// them back, and a rebuild of Redis waits for them.
const REPEAT_COMMIT: Duration = Duration::from_secs(3);

/// Transactions that are under way at once.
const LANES: usize = 4;
/// Of one fetch of a partition.
const FETCH_BYTES: u32 = 131_072;

/// Runs until `stop`, over any outage. Any number of consumers share the partitions.
pub(crate) async fn run(stores: Stores, options: ConsumeOptions, stop: CancellationToken) -> anyhow::Result<()> {
    let mut backoff = Backoff::new();
    while !stop.is_cancelled() {
        if let Err(error) = session(&stores, options, &stop).await {
            metrics::interrupted("consume", &error);
            warn!("consumer interrupted, will go on as soon as it can: {error:#}");
            backoff.wait(&stop).await;
        }
    }
    Ok(())
}

async fn session(stores: &Stores, options: ConsumeOptions, stop: &CancellationToken) -> anyhow::Result<()> {
    let producer = stores.kafka.producer().await?;
    let consumer: StreamConsumer<Owned> = stores
        .kafka
        .reader(FETCH_BYTES)
        .set("group.id", kafka::GROUP)
        // A rebalance moves only the partitions that change hands.
        .set("partition.assignment.strategy", "cooperative-sticky")
        // A consumer that died is replaced within this time.
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "1000")
        .set("fetch.wait.max.ms", "50")
        // A partition with enough fetched ahead is looked at again after so long: its second by default is many times what
        // the lanes need to apply all of it.
        .set("fetch.queue.backoff.ms", "5")
        .create_with_context(Owned::default())?;
    consumer.subscribe(&[&stores.kafka.topic])?;
    info!(topic = stores.kafka.topic, group = kafka::GROUP, "consuming");
    let (consumer, producer) = (Arc::new(consumer), Arc::new(producer));

    let done = CancellationToken::new();
    let (idle, free) = mpsc::channel(LANES);
    let (mut applying, mut lanes) = (JoinSet::new(), vec![]);
    for number in 0..LANES {
        let (batches, filled) = mpsc::channel(1);
        lanes.push(batches);
        let lane = Lane { number, filled, idle: idle.clone(), stop: stop.clone() };
        // When one ends, whatever the reason, all do.
        let ended = done.clone().drop_guard();
        let (stores, producer, consumer) = (stores.clone(), Arc::clone(&producer), Arc::clone(&consumer));
        applying.spawn(async move {
            lane.run(&stores, &producer, &consumer, ended).await;
        });
    }
    let collected = tokio::select! {
        outcome = collect(&consumer, options, lanes, free) => outcome,
        () = done.cancelled() => Ok(()),
    };
    while let Some(ended) = applying.join_next().await {
        ended.context("a batch")?;
    }
    collected.context("Kafka")
}

/// Applies the batches of its Kafka partitions one after the other.
struct Lane {
    number: usize,
    filled: mpsc::Receiver<Batch>,
    /// Where it says that it has nothing to do.
    idle: mpsc::Sender<usize>,
    stop: CancellationToken,
}

impl Lane {
    async fn run(
        mut self,
        stores: &Stores,
        producer: &kafka::Producer,
        consumer: &Arc<StreamConsumer<Owned>>,
        ended: DropGuard,
    ) {
        let mut offsets = Offsets::new(consumer, &stores.kafka.topic);
        while let Some(batch) = self.next(&offsets).await {
            if !poison::apply_batch(stores, producer, &batch, &self.stop).await {
                break;
            }
            offsets.durable(&batch);
        }
        // The others finish what they have meanwhile.
        drop(ended);
        offsets.commit_finally().await;
    }

    /// The next batch; none when the process is to stop or the collector has ended.
    async fn next(&mut self, offsets: &Offsets<'_>) -> Option<Batch> {
        // There is room for every lane's.
        let _ = self.idle.try_send(self.number);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                batch = self.filled.recv() => return batch,
                () = tokio::time::sleep(REPEAT_COMMIT) => offsets.commit(),
            }
        }
    }
}
