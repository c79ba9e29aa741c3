//! `persister dlq replay`

use anyhow::Context as _;
use contract::{Change, Event, Kind, Partition, Truth};
use rdkafka::producer::DeliveryFuture;
use sqlx::MySqlPool;
use tokio_util::sync::CancellationToken;

use super::options::ReplayOptions;
use crate::{
    commands::letter::Letter,
    ledger::{
        dead_letters::{self, replayed},
        markers, rebuilds,
    },
    output::line,
    store::{
        StoreError, Stores,
        producer::{Producer, delivered},
    },
};

/// Records that are under way at once, and recorded at once.
const BATCH: usize = 500;

pub(super) async fn run(stores: &Stores, options: &ReplayOptions, stop: &CancellationToken) -> anyhow::Result<()> {
    let topic = &stores.kafka.dlq_topic;
    if !options.dry_run {
        forget_dropped(stores).await?;
    }
    let before = replayed(&stores.mysql, topic).await?;
    let rebuilt = rebuilds::last_without_likes(&stores.mysql).await?;
    // A Redis that was rebuilt without a change would go on denying it, and where Redis decides it is believed.
    let outdated = |event: &Event| match event.change {
        Change::Switch(kind, _) if kind.truth() == Truth::Redis => {
            rebuilt.filter(|at| event.version.ms <= at.unsigned_abs()).map(|_| kind)
        }
        _ => None,
    };
    let all_warm = async || markers::all_warm(&mut stores.redis.connect().await?).await;
    if !options.dry_run {
        all_warm().await?;
    }
    let producer = stores.kafka.producer().await?;
    let mut log = stores.kafka.log(topic, None, stop).await?;
    let (mut done, mut again, mut stay) = (0_u64, 0_u64, 0_u64);
    let mut batch = Vec::new();
    while let Some(message) = log.next().await? {
        let letter = Letter::of(&message);
        if !options.filter.admits(&letter) {
            continue;
        }
        if before.contains(&(letter.partition, letter.offset)) {
            again += 1;
            continue;
        }
        let event = match letter.event() {
            Ok(event) => event,
            Err(error) => {
                stay += 1;
                line(format_args!("offset {}: stays, since it is no event to this release: {error}", letter.offset))?;
                continue;
            }
        };
        if let Some(kind) = outdated(&event) {
            stay += 1;
            line(format_args!(
                "offset {}: stays, since Redis has been rebuilt without it: {}",
                letter.offset,
                whose(&event, kind)
            ))?;
            continue;
        }
        done += 1;
        if options.dry_run {
            line(format_args!("offset {}: would go back: article {}", letter.offset, event.article))?;
            continue;
        }
        batch.push((letter.partition, letter.offset, send(&producer, &letter, &event).await?));
        if batch.len() >= BATCH {
            record(&stores.mysql, topic, std::mem::take(&mut batch)).await?;
            all_warm().await?;
        }
    }
    record(&stores.mysql, topic, batch).await?;
    if !options.dry_run {
        forget_dropped(stores).await?;
    }
    let verb = if options.dry_run { "would be put back" } else { "put back" };
    line(format_args!("{done} {verb}, {again} were before, {stay} stay"))
}

fn whose(event: &Event, kind: Kind) -> String {
    let user = event.user.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{kind} of article {} by user {user}", event.article)
}

/// Queues the event: as it came if it was one already, or made from an outbox's entry.
async fn send(producer: &Producer, letter: &Letter, event: &Event) -> Result<DeliveryFuture, StoreError> {
    let made;
    let bytes = if letter.headers.contains_key("id") {
        made = event.to_json();
        &made
    } else {
        &letter.payload
    };
    producer.send(Partition::of(event.article.number()), &event.article.to_string(), bytes).await
}

/// Remembers what Kafka has taken. After a crash between the two a record is put back once more, which changes nothing
/// in the end: every event may come any number of times.
async fn record(mysql: &MySqlPool, topic: &str, batch: Vec<(i32, i64, DeliveryFuture)>) -> anyhow::Result<()> {
    let mut taken = Vec::with_capacity(batch.len());
    let mut failed = None;
    for (partition, offset, delivery) in batch {
        match delivered(delivery).await {
            Ok(()) => taken.push((partition, offset)),
            Err(error) => failed = Some(error),
        }
    }
    dead_letters::remember(mysql, topic, &taken).await?;
    failed.map_or(Ok(()), |error| Err(error).context("Kafka did not take a record; it is not recorded as put back"))
}

/// Forgets what was put back of records that the queue does not hold.
async fn forget_dropped(stores: &Stores) -> Result<(), StoreError> {
    let topic = &stores.kafka.dlq_topic;
    let ends = stores.kafka.observer()?.ends(topic).await?;
    dead_letters::forget_outside(&stores.mysql, topic, &ends).await
}
