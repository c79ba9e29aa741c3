//! The consumer: applies the events of Kafka to MySQL.
//!
//! One task fills batches, and a few others apply them in parallel, each for its own Kafka partitions. A transaction
//! waits for MySQL's disk, and one connection to MySQL uses one core. Offsets are committed only for what is durable in
//! MySQL or in the dead-letter queue.

mod collector;
mod lane;
mod offsets;
mod owned;
mod poison;
mod record;

use std::sync::Arc;

use anyhow::Context as _;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{collector::collect, lane::Lane, owned::Owned};
use super::supervise::supervise;
use crate::{
    config::ConsumeOptions,
    store::{
        StoreError, Stores,
        kafka::{
            CONSUME,
            lost::{close, lost},
        },
    },
};

/// Transactions in parallel.
const LANES: usize = 4;
/// The size of one fetch of a partition.
const FETCH_BYTES: u32 = 131_072;

/// Runs until `stop`, over any outage. Any number of consumers share the partitions.
pub(crate) async fn run(stores: Stores, options: ConsumeOptions, stop: CancellationToken) -> anyhow::Result<()> {
    supervise("consume", &stop, || session(&stores, options, &stop)).await;
    Ok(())
}

async fn session(stores: &Stores, options: ConsumeOptions, stop: &CancellationToken) -> anyhow::Result<()> {
    // Fails, and says why, if a topic is missing.
    stores.kafka.producer().await?;
    let consumer = Arc::new(join(stores)?);
    info!(topic = stores.kafka.topic, group = stores.kafka.group(CONSUME), "consuming");

    let done = CancellationToken::new();
    let (idle, free) = mpsc::channel(LANES);
    let (mut applying, mut lanes) = (JoinSet::new(), vec![]);
    for number in 0..LANES {
        let (batches, filled) = mpsc::channel(1);
        lanes.push(batches);
        let lane = Lane { number, filled, idle: idle.clone(), stop: stop.clone() };
        // When one lane ends, for whatever reason, all of them end.
        let ended = done.clone().drop_guard();
        let (stores, consumer) = (stores.clone(), Arc::clone(&consumer));
        applying.spawn(async move {
            lane.run(&stores, &consumer, ended).await;
        });
    }
    let collected = tokio::select! {
        outcome = collect(&consumer, options, lanes, free) => outcome,
        error = lost(&consumer, &stores.kafka.topic) => Err(error),
        () = done.cancelled() => Ok(()),
    };
    let mut outcome = collected.map_err(anyhow::Error::from);
    while let Some(ended) = applying.join_next().await {
        outcome = outcome.and(ended.context("a batch"));
    }
    close(consumer).await;
    outcome
}

/// Joins the group. Partitions are assigned soon afterwards.
fn join(stores: &Stores) -> Result<StreamConsumer<Owned>, StoreError> {
    let consumer: StreamConsumer<Owned> = stores
        .kafka
        .reader(FETCH_BYTES)
        .set("group.id", stores.kafka.group(CONSUME))
        // A rebalance moves only the partitions that change their consumer.
        .set("partition.assignment.strategy", "cooperative-sticky")
        // A dead consumer is replaced within this time.
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "1000")
        .set("fetch.wait.max.ms", "50")
        // The pause before fetching again from a partition with enough data read ahead. The default of one second is
        // many times what the lanes need to apply that data.
        .set("fetch.queue.backoff.ms", "5")
        .create_with_context(Owned::default())?;
    consumer.subscribe(&[&stores.kafka.topic])?;
    Ok(consumer)
}
