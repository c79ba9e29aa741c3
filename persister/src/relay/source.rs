//! Taking entries out of the outboxes of one server.
//!
//! They are taken as a consumer group, so that several relays share them and a dead one's are taken over.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use contract::{Partition, Version, keys};
use redis::{RedisResult, Value};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::entry::{self, Entry};
use crate::{
    backoff::pause,
    store::{
        redis::{RELAY_GROUP, short},
        servers::Servers,
    },
};

/// Entries of one outbox in one read.
const PER_OUTBOX: u32 = 100;
/// The most that one read brings.
pub(crate) const PER_READ: u32 = PER_OUTBOX * Partition::COUNT as u32;
/// Between two reads that find nothing, longer each time. A cluster has no command that waits for several outboxes.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(40);
/// An entry taken for longer than this and still there belongs to a relay that is dead, or failed to be delivered.
/// Longer than a delivery may last, so that an entry in flight is never taken over.
const ABANDONED: Duration = Duration::from_secs(12);
const SWEEP: Duration = Duration::from_secs(3);
/// A consumer of a relay that has been gone for so long, with nothing pending, is forgotten.
const GONE: Duration = Duration::from_hours(1);

/// Entries by outbox.
pub(crate) type Entries = Vec<(Partition, Vec<Entry>)>;

/// Where entries come from: first what this relay took and lost the answer of, then new ones, now and then abandoned
/// ones.
pub(crate) struct Source<'a> {
    relay: &'a str,
    servers: Servers,
    partitions: Vec<Partition>,
    /// While reading what this relay had taken: the last id seen of each outbox. Then none.
    own: Option<HashMap<Partition, Version>>,
    swept: Instant,
    rest: Duration,
}

impl<'a> Source<'a> {
    pub(crate) fn new(relay: &'a str, servers: Servers) -> Self {
        let partitions = servers.partitions();
        Self { relay, servers, partitions, own: Some(HashMap::new()), swept: Instant::now(), rest: SHORTEST }
    }

    /// The next entries, none of them if there are none for a moment.
    pub(crate) async fn next(&mut self, stop: &CancellationToken) -> RedisResult<Entries> {
        if self.swept.elapsed() > SWEEP {
            self.swept = Instant::now();
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

    /// New entries; or after the given ids, those that this relay has already taken
    /// (<https://redis.io/docs/latest/commands/xreadgroup/>).
    async fn read(&mut self, own: Option<&HashMap<Partition, Version>>) -> RedisResult<Entries> {
        let mut reads = redis::pipe();
        for partition in &self.partitions {
            let read = reads.cmd("XREADGROUP").arg("GROUP").arg(RELAY_GROUP).arg(self.relay);
            read.arg("COUNT").arg(PER_OUTBOX).arg("STREAMS").arg(keys::outbox(*partition));
            match own {
                None => read.arg(">"),
                Some(seen) => read.arg(seen.get(partition).copied().unwrap_or_default().to_string()),
            };
        }
        let answers: Vec<Value> = reads.query_async(&mut self.servers).await.map_err(|error| short(&error))?;
        let mut taken = Vec::new();
        for (partition, answer) in self.partitions.iter().zip(answers) {
            let entries = entry::of_read(answer)?;
            if !entries.is_empty() {
                taken.push((*partition, entries));
            }
        }
        Ok(taken)
    }

    /// Takes over what has been pending for too long.
    async fn abandoned(&mut self) -> RedisResult<Entries> {
        let mut claim = redis::pipe();
        for partition in &self.partitions {
            let idle = u64::try_from(ABANDONED.as_millis()).unwrap_or(u64::MAX);
            claim.cmd("XAUTOCLAIM").arg(keys::outbox(*partition)).arg(RELAY_GROUP).arg(self.relay).arg(idle).arg("0");
            claim.arg("COUNT").arg(PER_OUTBOX);
        }
        let answers: Vec<Value> = claim.query_async(&mut self.servers).await.map_err(|error| short(&error))?;
        let mut claimed = Vec::new();
        for (partition, answer) in self.partitions.iter().zip(answers) {
            let (cursor, entries) = entry::of_claim(answer)?;
            if cursor != "0-0" {
                // There is more: look again at once.
                self.swept = self.swept.checked_sub(SWEEP).unwrap_or(self.swept);
            }
            if !entries.is_empty() {
                claimed.push((*partition, entries));
            }
        }
        let count: usize = claimed.iter().map(|(_, entries)| entries.len()).sum();
        if count > 0 {
            info!(count, "took over entries that were not delivered");
        }
        Ok(claimed)
    }

    /// Each relay that ever was is a consumer in every group; those long gone are removed, which no entry depends on.
    pub(crate) async fn forget_gone(&mut self) -> RedisResult<()> {
        let mut ask = redis::pipe();
        for partition in &self.partitions {
            ask.cmd("XINFO").arg("CONSUMERS").arg(keys::outbox(*partition)).arg(RELAY_GROUP);
        }
        let answers: Vec<Vec<HashMap<String, Value>>> = ask.query_async(&mut self.servers).await?;
        let mut forget = redis::pipe();
        for (partition, consumers) in self.partitions.iter().zip(answers) {
            for consumer in consumers {
                let number = |name: &str| if let Some(Value::Int(n)) = consumer.get(name) { *n } else { -1 };
                let Some(Value::BulkString(name)) = consumer.get("name") else { continue };
                if number("pending") == 0 && u128::try_from(number("idle")).is_ok_and(|ms| ms > GONE.as_millis()) {
                    forget.cmd("XGROUP").arg("DELCONSUMER").arg(keys::outbox(*partition)).arg(RELAY_GROUP).arg(name);
                }
            }
        }
        if forget.is_empty() { Ok(()) } else { forget.exec_async(&mut self.servers).await }
    }
}
