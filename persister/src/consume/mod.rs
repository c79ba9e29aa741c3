//! The consumer: applies the events of Kafka to MySQL.
//!
//! One task fills batches, another applies them, so that the next is ready when the last is durable. Offsets are
//! committed only for what is durable in MySQL, or in the dead-letter queue.

mod apply;
mod batch;
mod collector;
mod offsets;
mod poison;
mod sql;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub(crate) use self::{
    apply::{json, rows_of},
    batch::Pair,
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
        .client()
        .set("group.id", kafka::GROUP)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        // A rebalance moves only the partitions that change hands.
        .set("partition.assignment.strategy", "cooperative-sticky")
        // A consumer that died is replaced within this time.
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "1000")
        // What is fetched ahead bounds the memory: messages of each partition and kilobytes in all, and the bytes of one
        // fetch of a partition, which unpack to about ten times as many.
        .set("queued.min.messages", "2000")
        .set("queued.max.messages.kbytes", "8192")
        .set("fetch.message.max.bytes", "131072")
        .set("fetch.wait.max.ms", "50")
        .create_with_context(Owned::default())?;
    consumer.subscribe(&[&stores.kafka.topic])?;
    info!(topic = stores.kafka.topic, group = kafka::GROUP, "consuming");
    let consumer = Arc::new(consumer);

    let done = CancellationToken::new();
    let (batches, mut filled) = mpsc::channel::<Batch>(1);
    let applying = async {
        let mut offsets = Offsets::new(&consumer, &stores.kafka.topic);
        while let Some(batch) = next(&mut filled, &offsets, stop).await {
            if !poison::apply_batch(stores, &producer, &batch, stop).await {
                break;
            }
            offsets.durable(&batch);
        }
        done.cancel();
        offsets.commit_finally().await;
    };
    let collecting = async {
        tokio::select! {
            outcome = collect(&consumer, options, batches) => outcome,
            () = done.cancelled() => Ok(()),
        }
    };
    let (collected, ()) = tokio::join!(collecting, applying);
    collected.context("Kafka")
}

/// The next batch; none when the process is to stop or the collector has failed.
async fn next(filled: &mut mpsc::Receiver<Batch>, offsets: &Offsets<'_>, stop: &CancellationToken) -> Option<Batch> {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            batch = filled.recv() => return batch,
            () = tokio::time::sleep(REPEAT_COMMIT) => offsets.commit(),
        }
    }
}
