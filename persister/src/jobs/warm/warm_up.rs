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
        rebuilds::Rebuilt,
    },
    store::{Stores, place::Place, servers::Servers},
};

/// How many servers are declared whole at once, and how many are rebuilt: each takes connections of MySQL and clients of Kafka,
/// and a cluster whose servers all start at the same time has as many cold ones as masters.
const DECLARED_AT_ONCE: usize = 8;
const REBUILT_AT_ONCE: usize = 8;

/// Whose turn it is, of all the servers that this process warms.
pub(super) struct Turns {
    declaring: Semaphore,
    rebuilding: Semaphore,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { declaring: Semaphore::new(DECLARED_AT_ONCE), rebuilding: Semaphore::new(REBUILT_AT_ONCE) }
    }
}

/// Declares each cold partition whole, after a rebuild where it is not. Servers that lost nothing wait for no rebuild of
/// others. Does nothing while another process does it.
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
        // All is looked at again: much may have happened until it is this server's turn.
        let _turn = turns.rebuilding.acquire().await?;
        with_lock(stores, redis, place, server, (began, lost), stop).await?;
    }
    Ok(())
}

/// Since when partitions are left cold that have lost something; none where none is. Given that, it rebuilds them.
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
    // A MySQL that vanished without a word would keep the work waiting: the lock's connection notices.
    let outcome = tokio::select! {
        outcome = warm_up_locked(stores, redis, place, server, how, stop) => outcome,
        gone = lock.watch() => Err(gone.into()),
    };
    lock.release().await;
    outcome
}

/// The lock of a server's warming.
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
    // With the lock nobody else changes what is seen here.
    let first = cold(redis, server).await?;
    if first.is_empty() {
        return Ok(None);
    }
    let noticed = if let Some(since) = lost_since { since } else { time(redis).await? };
    if lost_since.is_none() {
        info!(server, partitions = first.len(), "Redis is not known to be whole: fenced");
    }
    let barrier = Barrier::new(stores, place, server, stop);
    // Nothing that is known elsewhere brings back a server that has nothing; its rebuild waits by itself.
    let has_nothing =
        first.iter().all(|(_, marker)| matches!(next(marker, server, Knowledge::default()), Next::Rebuild(_)));
    if has_nothing && lost_since.is_none() {
        return Ok(Some(noticed));
    }
    let unapplied = if has_nothing { Unapplied::default() } else { barrier.all_that_was_taken_is_known().await? };
    // What was projected into the server before and is not recorded by now is projected again.
    let partitions: Vec<Partition> = first.iter().map(|(partition, _)| *partition).collect();
    next_token(&stores.mysql, &partitions).await?;
    let known = Known::read(&stores.mysql).await?.with(&unapplied);
    // Look again: a server that only got another name was written to until its clients knew, and what they wrote may be
    // among what is known.
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
            // What waited for the relay when last seen is there, or it would be rebuilt.
            let bound = Loss { waiting: 0, ..Loss::read(&stores.mysql, &known, &promoted, noticed).await? };
            report::promoted(&stores.mysql, promoted.len(), bound, began.elapsed()).await;
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
        let written = rebuild::rebuild(stores, redis, &barrier, &partitions).await?;
        report::report(
            &stores.mysql,
            &Rebuilt { why, partitions: partitions.len(), loss: bound, written, took: began.elapsed() },
        )
        .await;
        return Ok(None);
    }
    Ok(Some(noticed))
}
