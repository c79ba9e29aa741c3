//! `persister dlq replay`

use anyhow::Context as _;
use contract::{Change, Event, Kind, Partition, Truth};
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
        producer::{Delivery, Producer},
    },
};

/// Records that are in flight together, and remembered together.
const BATCH: usize = 500;

pub(super) async fn run(stores: &Stores, options: &ReplayOptions, stop: &CancellationToken) -> anyhow::Result<()> {
    let topic = &stores.kafka.dlq_topic;
    if !options.dry_run {
        forget_dropped(stores).await?;
    }
    let before = replayed(&stores.mysql, topic).await?;
    let rebuilt = rebuilds::last_without_likes(&stores.mysql).await?;
    // Redis decides its own kinds. If it was rebuilt without a change, MySQL must not get that change any more.
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
                line(format_args!(
                    "offset {}: stays, since this release cannot read it as an event: {error}",
                    letter.offset
                ))?;
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
    line(format_args!("{done} {verb}, {again} had been put back before, {stay} stay in the queue"))
}

fn whose(event: &Event, kind: Kind) -> String {
    let user = event.user.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{kind} of article {} by user {user}", event.article)
}

/// Queues the event unchanged, or converts an outbox entry to an event.
async fn send(producer: &Producer, letter: &Letter, event: &Event) -> Result<Delivery, StoreError> {
    let made;
    let bytes = if letter.headers.contains_key("id") {
        made = event.to_json();
        &made
    } else {
        &letter.payload
    };
    producer.send(Partition::of(event.article.number()), &event.article.to_string(), bytes).await
}

/// Remembers which records Kafka has taken. If the process ends before that, the next replay puts them back again. That
/// changes nothing, because any event may be delivered any number of times.
async fn record(mysql: &MySqlPool, topic: &str, batch: Vec<(i32, i64, Delivery)>) -> anyhow::Result<()> {
    let mut taken = Vec::with_capacity(batch.len());
    let mut failed = None;
    for (partition, offset, delivery) in batch {
        match delivery.done().await {
            Ok(()) => taken.push((partition, offset)),
            Err(error) => failed = Some(error),
        }
    }
    dead_letters::remember(mysql, topic, &taken).await?;
    failed.map_or(Ok(()), |error| Err(error).context("Kafka did not take a record; it is not recorded as put back"))
}

/// Forgets replayed records that the queue no longer holds.
async fn forget_dropped(stores: &Stores) -> Result<(), StoreError> {
    let topic = &stores.kafka.dlq_topic;
    let ends = stores.kafka.ends(topic).await?;
    dead_letters::forget_outside(&stores.mysql, topic, &ends).await
}
