//! Taking entries out of the outboxes of one server.
//!
//! Relays read as one consumer group, so that several share the entries, and others take over those of a dead relay.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use contract::{Partition, Version};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    backoff::pause,
    ledger::outbox::{self, Entries, PER_OUTBOX},
    store::{StoreError, servers::Servers},
};

/// The most entries that one read returns.
pub(crate) const PER_READ: u32 = PER_OUTBOX * Partition::COUNT as u32;
/// The pause after a read that finds nothing; it grows with each. A cluster has no command that waits for several
/// outboxes.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(40);
/// An entry that has been pending for longer belongs to a dead relay, or its delivery failed. This is longer than a
/// delivery may last, so nobody takes over an entry in flight.
const ABANDONED: Duration = Duration::from_secs(12);
const SWEEP: Duration = Duration::from_secs(3);

/// The order of entries: first those that this relay took but whose answer it lost, then new ones, and now and then
/// abandoned ones.
pub(crate) struct Source<'a> {
    relay: &'a str,
    servers: Servers,
    /// The outboxes that can be read: all, unless Redis was too full to create a consumer group.
    partitions: Vec<Partition>,
    /// While re-reading what this relay had taken: the last id seen in each outbox. None afterwards.
    own: Option<HashMap<Partition, Version>>,
    swept: Instant,
    rest: Duration,
}

impl<'a> Source<'a> {
    pub(crate) async fn open(relay: &'a str, mut servers: Servers) -> Result<Self, StoreError> {
        let all = servers.partitions();
        let partitions = outbox::with_groups(&mut servers, &all).await?;
        if partitions.len() < all.len() {
            warn!(of = partitions.len(), "Redis is full: only the outboxes that were read before can be read");
        }
        Ok(Self { relay, servers, partitions, own: Some(HashMap::new()), swept: Instant::now(), rest: SHORTEST })
    }

    /// The outboxes that can be read.
    pub(crate) fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The next entries. An empty answer means that there were none for a moment.
    pub(crate) async fn next(&mut self, stop: &CancellationToken) -> Result<Entries, StoreError> {
        if self.swept.elapsed() > SWEEP {
            self.swept = Instant::now();
            let all = self.servers.partitions();
            if self.partitions.len() < all.len() {
                self.partitions = outbox::with_groups(&mut self.servers, &all).await?;
            }
            let abandoned = self.abandoned().await?;
            if !abandoned.is_empty() {
                return Ok(abandoned);
            }
        }
        if let Some(mut seen) = self.own.take() {
            let entries = self.read(Some(&seen)).await?;
            if !entries.is_empty() {
                seen.extend(entries.iter().filter_map(|(p, entries)| Some((*p, entries.last()?.id))));
                self.own = Some(seen);
                return Ok(entries);
            }
        }
        let entries = self.read(None).await?;
        if entries.is_empty() {
            pause(self.rest, stop).await;
            self.rest = (self.rest * 2).min(LONGEST);
        } else {
            self.rest = SHORTEST;
        }
        Ok(entries)
    }

    /// Takes over entries that have been pending for too long.
    async fn abandoned(&mut self) -> Result<Entries, StoreError> {
        let (claimed, more) = outbox::claim(&mut self.servers, &self.partitions, self.relay, ABANDONED).await?;
        if more {
            // Look again at once.
            self.swept = self.swept.checked_sub(SWEEP).unwrap_or(self.swept);
        }
        let count: usize = claimed.iter().map(|(_, entries)| entries.len()).sum();
        if count > 0 {
            info!(count, "took over entries that were not delivered");
        }
        Ok(claimed)
    }

    async fn read(&mut self, own: Option<&HashMap<Partition, Version>>) -> Result<Entries, StoreError> {
        outbox::read(&mut self.servers, &self.partitions, self.relay, own).await
    }
}
