//! From the outboxes of Redis to Kafka.
//!
//! Up to two full reads are in flight: Kafka confirms one while the next one is read.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use contract::{Change, Event, Partition, Version, Written, keys};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    heartbeat,
    late::{Late, Sent},
    source::{PER_READ, Source},
    taken::{InFlight, Taken},
};
use crate::{
    jobs::supervise::supervise,
    ledger::{
        entry::Entry,
        outbox::{self, Entries},
    },
    metrics,
    store::{
        StoreError, Stores,
        place::Place,
        producer::{Delivery, Producer},
        servers::Servers,
    },
};

const IN_FLIGHT: u32 = 2 * PER_READ;

/// What a session leaves for the next one.
#[derive(Default)]
struct Left {
    /// Entries that Kafka has, but that could not be removed because Redis was unreachable.
    unacknowledged: Mutex<Vec<(Partition, Version)>>,
    late: Late,
}

/// Entries on their way to Kafka.
type Batch = Vec<(Sent, Delivery)>;

/// The relay of one server's outboxes.
pub(crate) struct Relay<'a> {
    pub(crate) stores: &'a Stores,
    pub(crate) place: &'a Place,
    /// The relay's name as a consumer.
    pub(crate) name: &'a str,
    /// The name of the relay's row in MySQL.
    pub(crate) row: &'a str,
    pub(crate) taken: &'a Arc<Taken>,
}

/// Relays until `stop`, over any outage of Redis or Kafka.
pub(crate) async fn run(relay: &Relay<'_>, stop: &CancellationToken) {
    let left = Arc::new(Left::default());
    supervise("relay", stop, || session(relay, &left, stop)).await;
}

/// Relays from one server until Redis or Kafka fails. Returns only when every entry taken has been delivered or has
/// failed for good.
async fn session(relay: &Relay<'_>, left: &Arc<Left>, stop: &CancellationToken) -> anyhow::Result<()> {
    let Relay { stores, place, name, row, taken } = relay;
    let producer = stores.kafka.producer().await?;
    let mut control = stores.redis.connect_to(place).await?;
    let server = control.name(place.partitions[0])?.to_owned();
    taken.reads_from(&server);
    // A missing MySQL stops no relay: without MySQL nobody warms a partition either.
    let _ = tokio::time::timeout(Duration::from_secs(1), heartbeat::beat(&stores.mysql, row, place, taken)).await;
    let mut source = Source::open(name, control.clone()).await?;
    outbox::forget_gone(&mut control, source.partitions()).await?;
    let delivered = std::mem::take(&mut *left.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner));
    outbox::acknowledge(&mut control, &delivered).await?;
    info!(server, partitions = place.partitions.len(), "reading the outboxes");

    let room = Arc::new(Semaphore::new(IN_FLIGHT as usize));
    let mut confirmations = JoinSet::new();
    let outcome = async {
        while let Some(mut permit) = room_for_a_read(&room, stop).await {
            left.late.settle(&mut control).await?;
            let in_flight = taken.in_flight();
            let entries = source.next(stop).await?;
            let count = entries.iter().map(|(_, entries)| entries.len()).sum::<usize>();
            let used = permit.split(count.min(PER_READ as usize));
            drop(permit);
            if count > 0 {
                let mut batch = Vec::with_capacity(count);
                let all_queued = produce(&producer, entries, &in_flight, &mut batch).await;
                let confirmation = Confirmation { batch, control: control.clone(), left: left.clone() };
                confirmations.spawn(confirmation.run(in_flight, used));
                all_queued?;
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

/// Waits until a full read fits into the room in flight. None when the process has to stop.
async fn room_for_a_read(room: &Arc<Semaphore>, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        permit = Arc::clone(room).acquire_many_owned(PER_READ) => permit.ok(),
    }
}

/// Sends the entries' events, and sends what is no event to the dead-letter queue. `batch` receives everything that was
/// queued, even if an error ends the work early.
async fn produce(producer: &Producer, streams: Entries, in_flight: &InFlight, batch: &mut Batch) -> anyhow::Result<()> {
    for (partition, entries) in streams {
        for Entry { id, event } in entries {
            ensure!(!in_flight.is_old(), "entries were taken too long ago to be sent; they are read again");
            let (pair, dead) = (event.as_ref().ok().and_then(pair_of), event.is_err());
            let delivery = match event {
                Ok(event) => producer.send(partition, &event.article.to_string(), &event.to_json()).await,
                Err(broken) => {
                    let (stream, id) = (keys::outbox(partition), id.to_string());
                    warn!(stream, id, "to the dead-letter queue: {}", broken.reason);
                    let why = [("reason", broken.reason.as_str()), ("stream", &stream), ("id", &id)];
                    producer.bury(&broken.bytes, &why).await
                }
            };
            batch.push((Sent { partition, id, pair, dead }, delivery?));
        }
    }
    Ok(())
}

/// The pair that an event switched.
fn pair_of(event: &Event) -> Option<Written> {
    let Change::Switch(kind, _) = event.change else { return None };
    Some(Written { kind, user: event.user.clone()?, article: event.article.clone() })
}

/// The entries of one read, on their way to Kafka.
struct Confirmation {
    batch: Batch,
    control: Servers,
    left: Arc<Left>,
}

impl Confirmation {
    /// Removes from Redis what Kafka confirms. A failed delivery ends the session. The next session starts with the
    /// entry that failed, so the events of an outbox keep their order, except for those that were in flight together.
    async fn run(mut self, in_flight: InFlight, room: Option<OwnedSemaphorePermit>) -> anyhow::Result<()> {
        let (mut delivered, mut sent) = (Vec::with_capacity(self.batch.len()), Vec::with_capacity(self.batch.len()));
        let mut failed: Option<StoreError> = None;
        for (entry, delivery) in self.batch {
            match delivery.done().await {
                Ok(()) => {
                    if entry.dead {
                        metrics::DEAD_LETTERED.add(1, &[("reason", "outbox_entry")]);
                    }
                    delivered.push((entry.partition, entry.id));
                }
                Err(error) => {
                    metrics::UNDELIVERED.add(1, &[]);
                    failed = Some(error);
                }
            }
            sent.push(entry);
        }
        if in_flight.outlasts_a_rebuild() {
            self.left.late.keep_lost(&mut self.control, &sent).await;
        }
        metrics::RELAYED.add(delivered.len() as u64, &[("outbox", "redis")]);
        drop(in_flight);
        let acknowledged = outbox::acknowledge(&mut self.control, &delivered).await;
        drop(room);
        if acknowledged.is_err() {
            self.left.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner).extend(delivered);
        }
        acknowledged?;
        failed.map_or(Ok(()), |error| Err(error).context("Kafka did not take entries, they stay in Redis"))
    }
}
