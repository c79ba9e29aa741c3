//! The outboxes of Redis: streams that the relays read as one consumer group.

use std::{collections::HashMap, time::Duration};

use contract::{Partition, Version, keys, scripts::Ack};
use redis::{RedisResult, Value};

use super::{
    entry::{self, Entry},
    marks::Marks,
};
use crate::store::{
    StoreError,
    scripts::{accepted, short},
    servers::Servers,
};

/// The consumer group of the relays, on every outbox.
pub(crate) const RELAY_GROUP: &str = "relay";

/// Entries of one outbox in one read.
pub(crate) const PER_OUTBOX: u32 = 100;

/// A relay's consumer that has been idle for this long, with nothing pending, is removed.
const GONE: Duration = Duration::from_hours(1);

/// Entries by outbox. An outbox without entries is left out.
pub(crate) type Entries = Vec<(Partition, Vec<Entry>)>;

/// The outboxes that can be read: those with the relay's consumer group. A missing group is created at the beginning of
/// the stream. Creating one needs memory (<https://redis.io/docs/latest/commands/xgroup-create/>), so on a full Redis only
/// outboxes with a group are read. Reading them frees memory.
pub(crate) async fn with_groups(servers: &mut Servers, partitions: &[Partition]) -> Result<Vec<Partition>, StoreError> {
    let mut ask = redis::pipe();
    ask.ignore_errors();
    for partition in partitions {
        ask.cmd("XINFO").arg("GROUPS").arg(keys::outbox(*partition));
    }
    // If a server does not confirm the group, for whatever reason, creating it shows the reason.
    let known: Vec<RedisResult<Value>> = ask.query_async(servers).await?;
    let is_there = |answer: &RedisResult<Value>| {
        let groups = answer.as_ref().ok().and_then(|groups| redis::from_redis_value_ref::<Groups>(groups).ok());
        groups.is_some_and(|groups| groups.iter().any(|group| group.get("name").is_some_and(is_ours)))
    };
    let missing: Vec<Partition> = partitions
        .iter()
        .zip(&known)
        .filter(|(_, answer)| !is_there(answer))
        .map(|(partition, _)| *partition)
        .collect();
    if missing.is_empty() {
        return Ok(partitions.to_vec());
    }
    let mut create = redis::pipe();
    create.ignore_errors();
    for partition in &missing {
        create.cmd("XGROUP").arg("CREATE").arg(keys::outbox(*partition)).arg(RELAY_GROUP).arg(0).arg("MKSTREAM");
    }
    let mut full = Vec::new();
    let answers: Vec<RedisResult<Value>> = create.query_async(servers).await?;
    for (partition, answer) in missing.into_iter().zip(answers) {
        match answer {
            Err(error) if error.code() == Some("OOM") => full.push(partition),
            Err(error) if error.code() != Some("BUSYGROUP") => return Err(error.into()),
            _ => (),
        }
    }
    Ok(partitions.iter().filter(|partition| !full.contains(partition)).copied().collect())
}

/// The answer of `XINFO GROUPS`.
type Groups = Vec<HashMap<String, Value>>;

fn is_ours(name: &Value) -> bool {
    matches!(name, Value::BulkString(name) if name == RELAY_GROUP.as_bytes())
}

/// Reads new entries for a relay; with `own`, those after the given ids that it has already taken
/// (<https://redis.io/docs/latest/commands/xreadgroup/>).
pub(crate) async fn read(
    redis: &mut Servers,
    partitions: &[Partition],
    relay: &str,
    own: Option<&HashMap<Partition, Version>>,
) -> Result<Entries, StoreError> {
    let mut reads = redis::pipe();
    for partition in partitions {
        let read = reads.cmd("XREADGROUP").arg("GROUP").arg(RELAY_GROUP).arg(relay);
        read.arg("COUNT").arg(PER_OUTBOX).arg("STREAMS").arg(keys::outbox(*partition));
        match own {
            None => read.arg(">"),
            Some(seen) => read.arg(seen.get(partition).copied().unwrap_or_default().to_string()),
        };
    }
    let answers: Vec<Value> = reads.query_async(redis).await.map_err(|error| short(&error))?;
    let mut taken = Vec::new();
    for (partition, answer) in partitions.iter().zip(answers) {
        let entries = entry::of_read(answer)?;
        if !entries.is_empty() {
            taken.push((*partition, entries));
        }
    }
    Ok(taken)
}

/// Takes over, for a relay, entries that have been pending for longer than `idle`. Also returns whether there are more.
pub(crate) async fn claim(
    redis: &mut Servers,
    partitions: &[Partition],
    relay: &str,
    idle: Duration,
) -> Result<(Entries, bool), StoreError> {
    let idle = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
    let mut claim = redis::pipe();
    for partition in partitions {
        claim.cmd("XAUTOCLAIM").arg(keys::outbox(*partition)).arg(RELAY_GROUP).arg(relay).arg(idle).arg("0");
        claim.arg("COUNT").arg(PER_OUTBOX);
    }
    let answers: Vec<Value> = claim.query_async(redis).await.map_err(|error| short(&error))?;
    let (mut claimed, mut more) = (Vec::new(), false);
    for (partition, answer) in partitions.iter().zip(answers) {
        let (cursor, entries) = entry::of_claim(answer)?;
        more |= cursor != "0-0";
        if !entries.is_empty() {
            claimed.push((*partition, entries));
        }
    }
    Ok((claimed, more))
}

/// Removes consumers of relays that are long gone. Every relay becomes a consumer of every group, and no entry depends on a
/// consumer without pending entries.
pub(crate) async fn forget_gone(redis: &mut Servers, partitions: &[Partition]) -> Result<(), StoreError> {
    let mut ask = redis::pipe();
    for partition in partitions {
        ask.cmd("XINFO").arg("CONSUMERS").arg(keys::outbox(*partition)).arg(RELAY_GROUP);
    }
    let answers: Vec<Vec<HashMap<String, Value>>> = ask.query_async(redis).await?;
    let mut forget = redis::pipe();
    for (partition, consumers) in partitions.iter().zip(answers) {
        for consumer in consumers {
            let number = |name: &str| if let Some(Value::Int(n)) = consumer.get(name) { *n } else { -1 };
            let Some(Value::BulkString(name)) = consumer.get("name") else { continue };
            if number("pending") == 0 && u128::try_from(number("idle")).is_ok_and(|ms| ms > GONE.as_millis()) {
                forget.cmd("XGROUP").arg("DELCONSUMER").arg(keys::outbox(*partition)).arg(RELAY_GROUP).arg(name);
            }
        }
    }
    if !forget.is_empty() {
        forget.exec_async(redis).await?;
    }
    Ok(())
}

/// How many outboxes still have an entry up to their mark.
pub(super) async fn waiting_up_to(redis: &mut Servers, marks: &Marks) -> Result<usize, StoreError> {
    let mut ask = redis::pipe();
    for (partition, last) in marks.iter() {
        ask.cmd("XRANGE").arg(keys::outbox(partition)).arg("-").arg(last.to_string()).arg("COUNT").arg(1);
    }
    let entries: Vec<Vec<Value>> = ask.query_async(redis).await?;
    Ok(entries.iter().filter(|entries| !entries.is_empty()).count())
}

/// Acknowledges and removes entries that Kafka has.
pub(crate) async fn acknowledge(redis: &mut Servers, delivered: &[(Partition, Version)]) -> Result<(), StoreError> {
    let mut by_partition: HashMap<Partition, Vec<Version>> = HashMap::new();
    for (partition, id) in delivered {
        by_partition.entry(*partition).or_default().push(*id);
    }
    let calls: Vec<Ack<'_>> = by_partition
        .iter()
        // Lua's `unpack` is limited to a few thousand values.
        .flat_map(|(partition, ids)| ids.chunks(1000).map(|ids| Ack { partition: *partition, group: RELAY_GROUP, ids }))
        .collect();
    accepted(redis, &calls).await?;
    Ok(())
}
