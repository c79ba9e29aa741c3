//! Bringing the cold partitions of one server back into service.

use std::time::Instant;

use contract::Partition;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    barrier::Barrier,
    decide::{Next, next},
    rebuild, report,
};
use crate::{
    ledger::{
        bars,
        clock::time,
        known::{Knowledge, Known, Unapplied},
        lock::Lock,
        loss::Loss,
        markers::{cold, declare_warm},
        projection::next_token,
    },
    store::{Stores, place::Place, servers::Servers},
};

/// How many servers are declared whole, and how many are rebuilt, at the same time. Each takes connections to MySQL and
/// clients of Kafka, and all masters of a cluster may be cold at once.
const DECLARED_AT_ONCE: usize = 8;
const REBUILT_AT_ONCE: usize = 8;

/// Whose turn it is among the servers that this process warms.
pub(super) struct Turns {
    declaring: Semaphore,
    rebuilding: Semaphore,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { declaring: Semaphore::new(DECLARED_AT_ONCE), rebuilding: Semaphore::new(REBUILT_AT_ONCE) }
    }
}

/// Declares each cold partition whole, and rebuilds it first if it lost data. Servers that lost nothing do not wait for
/// rebuilds of others. Does nothing while another process does it.
pub(super) async fn warm_up(
    stores: &Stores,
    redis: &mut Servers,
    place: &Place,
    server: &str,
    turns: &Turns,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let lost = {
        let _turn = turns.declaring.acquire().await?;
        with_lock(stores, redis, place, server, (began, None), stop).await?
    };
    if lost.is_some() {
        // Check everything again: a lot may have happened while this server waited for its turn.
        let _turn = turns.rebuilding.acquire().await?;
        with_lock(stores, redis, place, server, (began, lost), stop).await?;
    }
    Ok(())
}

/// Returns the time at which data loss was noticed, if partitions that lost data are left cold. Given that time, it
/// rebuilds them.
async fn with_lock(
    stores: &Stores,
    redis: &mut Servers,
    place: &Place,
    server: &str,
    how: (Instant, Option<Timestamp>),
    stop: &CancellationToken,
) -> anyhow::Result<Option<Timestamp>> {
    let Some(mut lock) = Lock::take(&stores.mysql, &lock_of(place)).await? else {
        debug!("another process warms");
        return Ok(None);
    };
    // The lock's connection notices when MySQL vanishes without closing; without it the work would wait forever.
    let outcome = tokio::select! {
        outcome = warm_up_locked(stores, redis, place, server, how, stop) => outcome,
        gone = lock.watch() => Err(gone.into()),
    };
    lock.release().await;
    outcome
}

/// The name of the lock for warming a server.
fn lock_of(place: &Place) -> String {
    place.address.as_ref().map_or_else(|| "warm".to_owned(), |at| format!("warm {}:{}", at.host, at.port))
}

async fn warm_up_locked(
    stores: &Stores,
    redis: &mut Servers,
    place: &Place,
    server: &str,
    (began, lost_since): (Instant, Option<Timestamp>),
    stop: &CancellationToken,
) -> anyhow::Result<Option<Timestamp>> {
    // While this process has the lock, nobody else changes the markers.
    let first = cold(redis, server).await?;
    if first.is_empty() {
        return Ok(None);
    }
    let noticed = if let Some(since) = lost_since { since } else { time(redis).await? };
    if lost_since.is_none() {
        info!(server, partitions = first.len(), "Redis is not known to be whole: fenced");
    }
    let barrier = Barrier::new(stores, place, server, stop);
    // A server without any data needs a rebuild, whatever is known elsewhere. The rebuild does its own waiting.
    let has_nothing =
        first.iter().all(|(_, marker)| matches!(next(marker, server, Knowledge::default()), Next::Rebuild(_)));
    if has_nothing && lost_since.is_none() {
        return Ok(Some(noticed));
    }
    let unapplied = if has_nothing { Unapplied::default() } else { barrier.all_that_was_taken_is_known().await? };
    // Changes that were projected before but are not recorded yet are projected again under the new token.
    let partitions: Vec<Partition> = first.iter().map(|(partition, _)| *partition).collect();
    next_token(&stores.mysql, &partitions).await?;
    let known = Known::read(&stores.mysql).await?.with(&unapplied);
    // Read the markers again: a server that was only renamed accepted writes until its clients knew, and those writes
    // may be among what is known.
    let mut cold = cold(redis, server).await?;
    cold.retain(|(partition, _)| first.iter().any(|(first, _)| first == partition));

    let mut lost = Vec::new();
    let (mut whole, mut promoted) = (Vec::new(), Vec::new());
    for (partition, marker) in cold {
        match next(&marker, server, known.of(partition)) {
            Next::Serve => (),
            Next::Declare => {
                if redis.took_over_from(partition, &marker.server) {
                    promoted.push(partition);
                }
                whole.push((partition, marker.epoch));
            }
            Next::Rebuild(why) => {
                debug!(partition = partition.get(), "rebuild: {why}");
                lost.push((partition, why));
            }
        }
    }
    if !whole.is_empty() {
        let partitions: Vec<Partition> = whole.iter().map(|(partition, _)| *partition).collect();
        bars::agree(&stores.mysql, redis, &partitions).await?;
        declare_warm(redis, &whole).await?;
        info!(partitions = whole.len(), ms = began.elapsed().as_millis(), "warm: nothing is known to be lost");
        if !promoted.is_empty() {
            // The entries that were last seen waiting are still there; otherwise the partition would be rebuilt.
            let bound = Loss { waiting: 0, ..Loss::read(&stores.mysql, &known, &promoted, noticed).await? };
            report::promoted(&stores.mysql, &promoted, &bound, began.elapsed()).await;
        }
    }
    let Some((_, why)) = lost.first() else { return Ok(None) };
    if lost_since.is_some() {
        let partitions: Vec<Partition> = lost.iter().map(|(partition, _)| *partition).collect();
        let bound = Loss::read(&stores.mysql, &known, &partitions, noticed).await?;
        info!(partitions = partitions.len(), "rebuilding from MySQL, since {why}");
        if bound.partitions > 0 {
            warn!("{bound}");
        }
        let (record, written) = rebuild::rebuild(stores, redis, &barrier, &partitions, (why, &bound)).await?;
        report::report(&stores.mysql, record, &partitions, &bound, &written, began.elapsed()).await;
        return Ok(None);
    }
    Ok(Some(noticed))
}
