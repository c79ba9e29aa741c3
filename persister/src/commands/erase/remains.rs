//! What an erasure does not reach, and when it goes by itself.

use std::{fmt, time::Duration};

use anyhow::{Context as _, anyhow};
use contract::UserId;
use rdkafka::{
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
};
use serde::Serialize;

use crate::{
    ledger::logs,
    store::{StoreError, Stores, servers::Servers},
};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Something that stays.
#[derive(Debug, Serialize)]
pub(super) struct Remains {
    /// Where: a topic, or a kind of key.
    #[serde(rename = "where")]
    place: String,
    what: String,
    until: String,
}

impl fmt::Display for Remains {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}; {}", self.place, self.what, self.until)
    }
}

impl Remains {
    /// A bar that was set for another reason than the erasure.
    pub(super) fn bar(user: &UserId, reason: &str) -> Self {
        Self {
            place: "table user_bar, and its copy in each partition of Redis".to_owned(),
            what: format!("the bar of the user's number and its reason, {reason:?}"),
            until: format!("until `persister bars lift --user {user}`"),
        }
    }
}

/// All of it, with the retention of each store as it has it now.
pub(super) async fn of(stores: &Stores, redis: &mut Servers) -> anyhow::Result<Vec<Remains>> {
    let kafka = &stores.kafka;
    let admin: AdminClient<DefaultClientContext> = kafka.client().create()?;
    let mut all = Vec::new();
    for (topic, what) in [
        (
            &kafka.topic,
            "events with the user's id and the keyed hash of the address, which no delivery applies any more",
        ),
        (&kafka.dlq_topic, "such events among those that could not be applied; a replay does not bring them back"),
    ] {
        all.push(Remains {
            place: format!("topic {topic}"),
            what: what.to_owned(),
            until: retention(&admin, topic).await?,
        });
    }
    let place = |place: &str, what: &str, until: &str| {
        let [place, what, until] = [place, what, until].map(str::to_owned);
        Remains { place, what, until }
    };
    all.push(place(
        "table outbox, and what Redis follows it in",
        "what the relay has not projected and shipped yet",
        "for milliseconds, as long as a relay runs",
    ));
    all.push(place(
        "Redis limits",
        "keys that name the user, without what was done",
        "for seconds to minutes, by their expiry",
    ));
    all.push(place(
        "Redis's append-only file, snapshots and replicas' backlogs",
        "the commands that named the user",
        if logs::redis_keeps_a_log(redis).await? {
            "until each server rewrites its file: by itself as it grows, or at once by BGREWRITEAOF"
        } else {
            "until the next snapshot; no append-only file is kept"
        },
    ));
    let binlog = logs::binlog_days(&stores.mysql).await?;
    all.push(place(
        "MySQL's binary log, and what replicas and backups have of it",
        "the rows as they were written and deleted",
        &binlog,
    ));
    all.push(place(
        "log lines of components, gateway and article service",
        "request ids and addresses, which the gateway's own log may join to a user",
        "as long as those logs are kept; no line of the service itself has a user's id",
    ));
    all.push(place("backups", "all of it, as it was", "until they are dropped; after restoring one, erase again"));
    all.push(place("article views, visitors and reads", "sums and sketches, which name nobody", "for good"));
    all.push(place("table erased_user", "the user's number and the time, so that nothing comes back", "for good"));
    Ok(all)
}

async fn retention(admin: &AdminClient<DefaultClientContext>, topic: &str) -> anyhow::Result<String> {
    let wait = AdminOptions::new().request_timeout(Some(Duration::from_secs(5)));
    let answer = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &wait).await.map_err(StoreError::from)?;
    let config = answer.into_iter().next().context("Kafka did not say")?;
    let config = config.map_err(|error| anyhow!("the configuration of topic {topic}: {error}"))?;
    let ms = config.get("retention.ms").and_then(|entry| entry.value.as_deref()).and_then(|ms| ms.parse::<i64>().ok());
    Ok(match ms {
        Some(ms) if ms >= 0 => format!("for {} days, the topic's retention", (ms + DAY_MS - 1) / DAY_MS),
        _ => "for good: the topic has no retention.ms".to_owned(),
    })
}
