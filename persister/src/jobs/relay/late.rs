//! Records that may have reached Kafka after a rebuild that did not wait for them.
//!
//! A rebuild waits for entries in flight, but no longer than a delivery may last. A process or machine that was
//! suspended continues where it stopped, and no program can check the clock and send in one step. So a record may reach
//! Kafka after the rebuild, and MySQL then has a change that Redis lacks. The relay that sent the record notices this,
//! and restates what Redis holds.

use std::{
    collections::{BTreeSet, HashMap},
    mem::take,
    sync::{Mutex, MutexGuard, PoisonError},
};

use contract::{ArticleId, Kind, Partition, UserId, Version, Written};
use tracing::warn;

use crate::{
    ledger::{
        markers::{Marker, markers},
        marks::Marks,
        repair::restate,
    },
    output::counted,
    store::{StoreError, servers::Servers},
};

/// Users in one call of the script.
const PER_CALL: usize = 500;

/// An entry of an outbox that was sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) partition: Partition,
    pub(super) id: Version,
    /// The pair that it switched. None for a read, or for an entry that was no event.
    pub(super) pair: Option<Written>,
    /// Whether it was no event, and so a dead letter.
    pub(super) dead: bool,
}

/// Entries to restate as soon as their partition is warm.
#[derive(Debug, Default)]
pub(super) struct Late(Mutex<Vec<Sent>>);

impl Late {
    /// Keeps the entries that Redis no longer has, because it was emptied after they were taken. Call this before any
    /// of them is removed from Redis.
    pub(super) async fn keep_lost(&self, redis: &mut Servers, sent: &[Sent]) {
        // If Redis does not answer, it may have lost all of them.
        let lost = lost(redis, sent).await.unwrap_or_else(|_| sent.to_vec());
        self.lock().extend(lost.into_iter().filter(|entry| entry.pair.is_some()));
    }

    /// Restates the pairs in every partition that is warm.
    pub(super) async fn settle(&self, redis: &mut Servers) -> Result<(), StoreError> {
        let late = take(&mut *self.lock());
        if late.is_empty() {
            return Ok(());
        }
        let outcome = restate_missing(redis, &late).await;
        self.lock().extend(match &outcome {
            Ok(cold) => late.into_iter().filter(|entry| cold.contains(&entry.partition)).collect(),
            Err(_) => late,
        });
        outcome.map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The markers of the entries' partitions.
async fn markers_of(redis: &mut Servers, sent: &[Sent]) -> Result<HashMap<Partition, Marker>, StoreError> {
    let partitions: BTreeSet<Partition> = sent.iter().map(|entry| entry.partition).collect();
    Ok(markers(redis, &partitions.into_iter().collect::<Vec<_>>()).await?.into_iter().collect())
}

/// Whether the entry is missing, if nobody has removed it. A rebuilt outbox begins above every id that came before.
fn is_missing(entry: &Sent, markers: &HashMap<Partition, Marker>) -> bool {
    let oldest = markers.get(&entry.partition).and_then(|marker| marker.oldest);
    oldest.is_none_or(|first| first > entry.id)
}

async fn lost(redis: &mut Servers, sent: &[Sent]) -> Result<Vec<Sent>, StoreError> {
    let markers = markers_of(redis, sent).await?;
    Ok(sent.iter().filter(|entry| is_missing(entry, &markers)).cloned().collect())
}

/// Restates the pairs of missing entries. Returns the cold partitions, whose pairs are still to be restated.
async fn restate_missing(redis: &mut Servers, late: &[Sent]) -> Result<BTreeSet<Partition>, StoreError> {
    let (markers, mut cold) = (markers_of(redis, late).await?, BTreeSet::new());
    for (partition, marker) in &markers {
        if marker.server != redis.name(*partition)? {
            cold.insert(*partition);
        }
    }
    let mut pairs: HashMap<(&ArticleId, Kind), Vec<UserId>> = HashMap::new();
    // Redis may have been unreachable, and not emptied.
    let missing = late.iter().filter(|entry| !cold.contains(&entry.partition) && is_missing(entry, &markers));
    for pair in missing.filter_map(|entry| entry.pair.as_ref()) {
        pairs.entry((&pair.article, pair.kind)).or_default().push(pair.user.clone());
    }
    let mut count = 0;
    for (of, mut users) in pairs {
        users.sort_unstable_by_key(UserId::number);
        users.dedup_by_key(|user| user.number());
        count += users.len();
        for users in users.chunks(PER_CALL) {
            restate(redis, of, users, &mut Marks::default()).await?;
        }
    }
    if count > 0 {
        warn!(
            "{} may have reached Kafka after a rebuild without it: Redis has restated its pair",
            counted(count, "change")
        );
    }
    Ok(cold)
}
