//! From the outboxes of Redis to Kafka.
//!
//! Entries are taken as a consumer group, so that several relays share them and a dead one's are taken over. Up to two
//! full reads are in flight: while Kafka confirms one, the next is read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use contract::{Partition, Version, keys, scripts};
use rdkafka::{error::KafkaError, producer::DeliveryFuture};
use redis::{RedisResult, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    entry::{self, Entry},
    session::{self, Hold, Taken},
};
use crate::{
    backoff::Backoff,
    metrics,
    store::{
        Stores,
        kafka::{self, Producer},
        redis::{RELAY_GROUP, call, make_groups, run_id, run_scripts},
    },
};

/// Entries of one stream in one read. COUNT holds for each stream of the command by itself.
const PER_STREAM: u32 = 100;
const PER_READ: u32 = PER_STREAM * Partition::COUNT as u32;
const IN_FLIGHT: u32 = 2 * PER_READ;
/// How long a read waits for entries. The relay tells that it holds nothing from before only between two reads.
const BLOCK_MS: u64 = 200;
/// An entry taken for longer than this and still there belongs to a relay that is dead, or failed to be delivered.
/// Longer than a delivery may last, so that an entry in flight is never taken over.
const ABANDONED: Duration = Duration::from_secs(12);
const SWEEP: Duration = Duration::from_secs(3);
/// A consumer of a relay that has been gone for so long, with nothing pending, is forgotten.
const GONE: Duration = Duration::from_hours(1);

/// Ids that Kafka has and Redis was not reachable to forget.
type Unacknowledged = Mutex<Vec<(Partition, Version)>>;

/// Relays until `stop`, over any outage of Redis or Kafka.
pub(crate) async fn run(stores: &Stores, relay: &str, taken: &Arc<Taken>, stop: &CancellationToken) {
    let mut backoff = Backoff::new();
    let left = Arc::new(Unacknowledged::default());
    while !stop.is_cancelled() {
        let started = Instant::now();
        if let Err(error) = session(stores, relay, taken, &left, stop).await {
            if started.elapsed() > Duration::from_secs(5) {
                backoff.reset();
            }
            metrics::interrupted("relay", &error);
            warn!("relay interrupted, will go on as soon as it can: {error:#}");
            backoff.wait(stop).await;
        }
    }
}

/// Relays with one producer, from one server, until either fails. Ends only when all it took has been delivered or has
/// failed for good.
async fn session(
    stores: &Stores,
    relay: &str,
    taken: &Arc<Taken>,
    left: &Arc<Unacknowledged>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let producer = stores.kafka.producer().await?;
    let reader = stores.redis.connect().await.context("Redis")?;
    let control = stores.redis.connect().await.context("Redis")?;
    let mut source = Source { relay, reader, control, own: Some(HashMap::new()), swept: Instant::now() };
    let server = run_id(&mut source.control).await.context("Redis")?;
    taken.reads_from(&server);
    // Without MySQL nothing is warmed either, so its absence stops no relay.
    let _ = tokio::time::timeout(Duration::from_secs(1), session::beat(&stores.mysql, relay, taken)).await;
    make_groups(&mut source.control).await.context("Redis")?;
    forget_gone(&mut source.control).await.context("Redis")?;
    let late = std::mem::take(&mut *left.lock().unwrap_or_else(PoisonError::into_inner));
    acknowledge(&mut source.control, &late).await.context("Redis")?;
    info!(server, "reading the outboxes");

    let room = Arc::new(Semaphore::new(IN_FLIGHT as usize));
    let mut confirmations = JoinSet::new();
    let outcome = async {
        while let Some(mut permit) = room_for_a_read(&room, stop).await {
            let hold = taken.hold();
            let entries = source.next().await.context("Redis")?;
            let count = entries.iter().map(|(_, entries)| entries.len()).sum::<usize>();
            let used = permit.split(count.min(PER_READ as usize));
            drop(permit);
            if count > 0 {
                let batch = produce(&producer, entries).await?;
                let confirmation = Confirmation { batch, control: source.control.clone(), left: left.clone() };
                confirmations.spawn(confirmation.run(hold, used));
            }
            while let Some(confirmed) = confirmations.try_join_next() {
                confirmed.context("a confirmation panicked")??;
            }
        }
        anyhow::Ok(())
    }
    .await;
    while let Some(confirmed) = confirmations.join_next().await {
        if let Ok(Err(error)) = confirmed {
            warn!("relay: {error:#}");
        }
    }
    taken.reads_from("");
    outcome
}

/// Room for as many entries as a read can bring; none when the process is to stop.
async fn room_for_a_read(room: &Arc<Semaphore>, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        permit = Arc::clone(room).acquire_many_owned(PER_READ) => permit.ok(),
    }
}

/// Where entries come from: first what this relay took and lost the answer of, then new ones, now and then abandoned
/// ones.
struct Source<'a> {
    relay: &'a str,
    /// Blocks for the length of a read.
    reader: MultiplexedConnection,
    control: MultiplexedConnection,
    /// While reading what this relay had taken: the last id seen of each outbox. Then none.
    own: Option<HashMap<Partition, Version>>,
    swept: Instant,
}

impl Source<'_> {
    async fn next(&mut self) -> RedisResult<Vec<(Partition, Vec<Entry>)>> {
        if self.swept.elapsed() > SWEEP {
            self.swept = Instant::now();
            let abandoned = self.abandoned().await?;
            if !abandoned.is_empty() {
                return Ok(abandoned);
            }
        }
        match self.own.take() {
            None => self.read(None).await,
            Some(mut seen) => {
                let entries = self.read(Some(&seen)).await?;
                if !entries.is_empty() {
                    seen.extend(entries.iter().filter_map(|(p, entries)| Some((*p, entries.last()?.id))));
                    self.own = Some(seen);
                }
                Ok(entries)
            }
        }
    }

    /// New entries; or after the given ids, those that this relay has already taken
    /// (<https://redis.io/docs/latest/commands/xreadgroup/>).
    async fn read(&mut self, own: Option<&HashMap<Partition, Version>>) -> RedisResult<Vec<(Partition, Vec<Entry>)>> {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(RELAY_GROUP).arg(self.relay).arg("COUNT").arg(PER_STREAM);
        read.arg("BLOCK").arg(BLOCK_MS).arg("STREAMS");
        for partition in Partition::all() {
            read.arg(keys::outbox(partition));
        }
        for partition in Partition::all() {
            match own {
                None => read.arg(">"),
                Some(seen) => read.arg(seen.get(&partition).copied().unwrap_or_default().to_string()),
            };
        }
        let answer: Value = read.query_async(&mut self.reader).await?;
        let by_key: HashMap<String, Partition> = Partition::all().map(|p| (keys::outbox(p), p)).collect();
        let streams = entry::of_read(answer)?.into_iter();
        Ok(streams
            .filter(|(_, entries)| !entries.is_empty())
            .filter_map(|(key, entries)| Some((*by_key.get(&key)?, entries)))
            .collect())
    }

    /// Takes over what has been pending for too long.
    async fn abandoned(&mut self) -> RedisResult<Vec<(Partition, Vec<Entry>)>> {
        let mut claim = redis::pipe();
        for partition in Partition::all() {
            let idle = u64::try_from(ABANDONED.as_millis()).unwrap_or(u64::MAX);
            claim.cmd("XAUTOCLAIM").arg(keys::outbox(partition)).arg(RELAY_GROUP).arg(self.relay).arg(idle).arg("0");
            claim.arg("COUNT").arg(PER_STREAM);
        }
        let answers: Vec<Value> = claim.query_async(&mut self.control).await?;
        let mut claimed = Vec::new();
        for (partition, answer) in Partition::all().zip(answers) {
            let (cursor, entries) = entry::of_claim(answer)?;
            if cursor != "0-0" {
                // There is more: look again at once.
                self.swept = self.swept.checked_sub(SWEEP).unwrap_or(self.swept);
            }
            if !entries.is_empty() {
                claimed.push((partition, entries));
            }
        }
        let count: usize = claimed.iter().map(|(_, entries)| entries.len()).sum();
        if count > 0 {
            info!(count, "took over entries that were not delivered");
        }
        Ok(claimed)
    }
}

/// Queues the entries' events, and what is no event to the dead-letter queue.
async fn produce(
    producer: &Producer,
    streams: Vec<(Partition, Vec<Entry>)>,
) -> anyhow::Result<Vec<(Partition, Version, DeliveryFuture)>> {
    let mut batch = Vec::new();
    for (partition, entries) in streams {
        for Entry { id, event } in entries {
            let delivery = match event {
                Ok(event) => producer.send(partition, &event.article.to_string(), &event.to_json()).await,
                Err(broken) => {
                    let (stream, id) = (keys::outbox(partition), id.to_string());
                    warn!(stream, id, "to the dead-letter queue: {}", broken.reason);
                    metrics::DEAD_LETTERED.add(1, &[("reason", "outbox_entry")]);
                    let why = [("reason", broken.reason.as_str()), ("stream", &stream), ("id", &id)];
                    producer.bury(&broken.bytes, &why).await
                }
            };
            batch.push((partition, id, delivery.context("Kafka")?));
        }
    }
    Ok(batch)
}

/// A read's entries on their way.
struct Confirmation {
    batch: Vec<(Partition, Version, DeliveryFuture)>,
    control: MultiplexedConnection,
    left: Arc<Unacknowledged>,
}

impl Confirmation {
    /// Removes from Redis what Kafka confirms. What it does not stays pending and is taken again later.
    async fn run(mut self, hold: Hold, room: Option<OwnedSemaphorePermit>) -> anyhow::Result<()> {
        let mut delivered = Vec::with_capacity(self.batch.len());
        let mut failed: Option<KafkaError> = None;
        for (partition, id, delivery) in self.batch {
            match kafka::delivered(delivery).await {
                Ok(()) => delivered.push((partition, id)),
                Err(error) => {
                    metrics::UNDELIVERED.add(1, &[]);
                    failed = Some(error);
                }
            }
        }
        metrics::RELAYED.add(delivered.len() as u64, &[("outbox", "likes")]);
        drop(hold);
        let acknowledged = acknowledge(&mut self.control, &delivered).await;
        drop(room);
        if acknowledged.is_err() {
            self.left.lock().unwrap_or_else(PoisonError::into_inner).extend(delivered);
        }
        acknowledged.context("Redis")?;
        match failed {
            // The producer is of no use any more (<https://docs.confluent.io/platform/current/clients/librdkafka/html/md_INTRODUCTION.html>,
            // "Fatal producer errors"); the session begins again with another one.
            Some(error) if error.rdkafka_error_code() == Some(rdkafka::error::RDKafkaErrorCode::Fatal) => {
                Err(error).context("Kafka")
            }
            Some(error) => {
                warn!("Kafka did not take entries, they stay in Redis and are tried again: {error}");
                Ok(())
            }
            None => Ok(()),
        }
    }
}

async fn acknowledge(control: &mut MultiplexedConnection, delivered: &[(Partition, Version)]) -> RedisResult<()> {
    let mut by_partition: HashMap<Partition, Vec<String>> = HashMap::new();
    for (partition, id) in delivered {
        by_partition.entry(*partition).or_default().push(id.to_string());
    }
    let mut calls = redis::pipe();
    for (partition, ids) in by_partition {
        // Lua's `unpack` takes some thousands of values.
        for ids in ids.chunks(1000) {
            let mut ack = call(&scripts::ACK, [keys::outbox(partition)]);
            ack.arg(RELAY_GROUP).arg(ids);
            calls.add_command(ack);
        }
    }
    run_scripts::<u64>(control, &calls).await?;
    Ok(())
}

/// Each relay that ever was is a consumer in 128 groups; those long gone are removed, which no entry depends on.
async fn forget_gone(control: &mut MultiplexedConnection) -> RedisResult<()> {
    let mut ask = redis::pipe();
    for partition in Partition::all() {
        ask.cmd("XINFO").arg("CONSUMERS").arg(keys::outbox(partition)).arg(RELAY_GROUP);
    }
    let answers: Vec<Vec<HashMap<String, Value>>> = ask.query_async(control).await?;
    let mut forget = redis::pipe();
    for (partition, consumers) in Partition::all().zip(answers) {
        for consumer in consumers {
            let number = |name: &str| if let Some(Value::Int(n)) = consumer.get(name) { *n } else { -1 };
            let Some(Value::BulkString(name)) = consumer.get("name") else { continue };
            if number("pending") == 0 && u128::try_from(number("idle")).is_ok_and(|ms| ms > GONE.as_millis()) {
                forget.cmd("XGROUP").arg("DELCONSUMER").arg(keys::outbox(partition)).arg(RELAY_GROUP).arg(name);
            }
        }
    }
    if forget.is_empty() { Ok(()) } else { forget.exec_async(control).await }
}
