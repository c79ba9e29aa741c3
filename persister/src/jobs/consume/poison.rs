//! Applies a batch whatever it contains: an event that cannot be applied goes to the dead-letter queue, and the others
//! are applied.

use std::{collections::HashMap, time::Instant};

use contract::{Change, Event, Truth};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::record::Record;
use crate::{
    backoff::Backoff,
    ledger::apply::{apply, note_seen},
    metrics,
    store::{
        StoreError, Stores,
        mysql::{is_bad_data, is_deadlock},
    },
};

/// The most bytes of a reason in the log.
const LOGGED: usize = 300;

/// Applies a batch, and retries until it is durable. Returns false only if the process has to stop earlier.
pub(crate) async fn apply_batch(stores: &Stores, batch: &[Record], stop: &CancellationToken) -> bool {
    let began = Instant::now();
    let mut good = Vec::with_capacity(batch.len());
    for record in batch {
        match &record.event {
            Ok(event) => good.push((record, event)),
            Err(error) => {
                if !bury(stores, record, "undecodable", &error.to_string(), stop).await {
                    return false;
                }
            }
        }
    }
    // Try the whole batch first. If MySQL refuses a value, or does not end in time, try its halves, down to the single event: a
    // slow MySQL would never end a large one.
    let mut parts = vec![good];
    while let Some(mut part) = parts.pop() {
        let events: Vec<&Event> = part.iter().map(|(_, event)| *event).collect();
        let (bad, kind, reason) = match until_it_passes(stop, || apply(&stores.mysql, &events)).await {
            Outcome::Done => continue,
            Outcome::Stopped => return false,
            Outcome::Stalled if part.len() <= 1 => {
                parts.push(part);
                continue;
            }
            Outcome::Refused(reason) if part.len() == 1 => (part, "refused_by_mysql", reason),
            Outcome::Refused(_) | Outcome::Stalled => {
                let second = part.split_off(part.len() / 2);
                parts.extend([second, part]);
                continue;
            }
            // Callers choose their articles' ids, so many of these may come at once.
            Outcome::Collides(reason, names) => {
                let (bad, rest): (Vec<_>, Vec<_>) = part.into_iter().partition(|(_, event)| has_one_of(event, &names));
                // Every name comes from an event of this batch. If none matched, the loop would never end, so all
                // events are buried.
                let bad = if bad.is_empty() {
                    rest
                } else {
                    parts.extend([rest]);
                    bad
                };
                (bad, "id_collision", reason)
            }
        };
        for (record, _) in &bad {
            if !bury(stores, record, kind, &reason, stop).await {
                return false;
            }
        }
        let events: Vec<&Event> = bad.iter().map(|(_, event)| *event).collect();
        loop {
            match until_it_passes(stop, || note_seen(&stores.mysql, &events)).await {
                Outcome::Done => break,
                Outcome::Stalled => (),
                _ => return false,
            }
        }
    }
    metrics::BATCH_SECONDS.observe_time(began.elapsed());
    measure(batch);
    true
}

/// Whether an event has one of these names.
fn has_one_of(event: &Event, names: &[(i64, String)]) -> bool {
    let user = event.user.as_ref().and_then(|user| Some((user.number().get(), user.name()?)));
    let article = event.article.name().map(|name| (event.article.number().get(), name));
    names.iter().any(|(number, name)| [user, article].contains(&Some((*number, name))))
}

/// A batch is durable.
#[expect(clippy::cast_precision_loss, reason = "a batch is small")]
fn measure(batch: &[Record]) {
    metrics::BATCH_EVENTS.observe(batch.len() as f64);
    let now = Timestamp::now();
    let mut counts: HashMap<&'static str, u64> = HashMap::new();
    for event in batch.iter().filter_map(|record| record.event.as_ref().ok()) {
        let (word, truth) = match event.change {
            Change::Switch(kind, _) => (kind.name(), kind.truth()),
            Change::Read(_) => ("read", Truth::Redis),
        };
        *counts.entry(word).or_default() += 1;
        // For these kinds MySQL had the change before Kafka.
        if truth == Truth::Redis {
            metrics::LAG_SECONDS.observe(now.duration_since(event.occurred_at).as_secs_f64().max(0.0));
        }
    }
    for (word, count) in counts {
        metrics::CONSUMED.add(count, &[("type", word)]);
    }
}

enum Outcome {
    Done,
    /// MySQL refuses a value.
    Refused(String),
    /// The numbers of these names belong to other names.
    Collides(String, Vec<(i64, String)>),
    /// MySQL took too long.
    Stalled,
    Stopped,
}

async fn until_it_passes<F: Future<Output = Result<(), StoreError>>>(
    stop: &CancellationToken,
    work: impl Fn() -> F,
) -> Outcome {
    let mut backoff = Backoff::new();
    loop {
        let stalled;
        match work().await {
            Ok(()) => return Outcome::Done,
            Err(StoreError::Mysql(error)) if is_bad_data(&error) => return Outcome::Refused(error.to_string()),
            Err(StoreError::Collision { reason, names }) => return Outcome::Collides(reason, names),
            Err(error) => {
                stalled = matches!(error, StoreError::Stalled { .. });
                let reason = match &error {
                    StoreError::Mysql(error) if is_deadlock(error) => "deadlock",
                    StoreError::Stalled { .. } => "stalled",
                    _ => "error",
                };
                metrics::RETRIES.add(1, &[("reason", reason)]);
                warn!("a batch is not applied yet, trying again: {:#}", anyhow::Error::from(error));
            }
        }
        if stop.is_cancelled() {
            return Outcome::Stopped;
        }
        backoff.wait(stop).await;
        if stalled {
            return Outcome::Stalled;
        }
    }
}

/// Puts a record into the dead-letter queue unchanged, and waits until it is there.
async fn bury(stores: &Stores, record: &Record, kind: &'static str, reason: &str, stop: &CancellationToken) -> bool {
    let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
    warn!(partition, offset, "to the dead-letter queue: {}", &reason[..reason.floor_char_boundary(LOGGED)]);
    let why =
        [("reason", reason), ("topic", stores.kafka.topic.as_str()), ("partition", &partition), ("offset", &offset)];
    let mut backoff = Backoff::new();
    while !stop.is_cancelled() {
        let buried = async {
            // Ask each time: the producer may have been replaced.
            stores.kafka.producer().await?.bury(&record.bytes, &why).await?.done().await
        };
        match buried.await {
            Ok(()) => {
                metrics::DEAD_LETTERED.add(1, &[("reason", kind)]);
                return true;
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                warn!("the dead-letter queue does not take a record, trying again: {error:#}");
            }
        }
        backoff.wait(stop).await;
    }
    false
}
