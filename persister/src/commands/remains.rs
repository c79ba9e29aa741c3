//! What remains after an erasure or a deletion, and until when.

use std::{fmt, time::Duration};

use anyhow::{Context as _, anyhow};
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

/// Something that remains.
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
    pub(super) fn new(place: &str, what: &str, until: &str) -> Self {
        let [place, what, until] = [place, what, until].map(str::to_owned);
        Self { place, what, until }
    }

    /// What remains in Kafka: events in the log, and in the dead-letter queue.
    pub(super) async fn in_kafka(stores: &Stores, [events, letters]: [&str; 2]) -> anyhow::Result<[Self; 2]> {
        let kafka = &stores.kafka;
        let admin: AdminClient<DefaultClientContext> = kafka.client().create()?;
        let [of_events, of_letters] =
            [retention(&admin, &kafka.topic).await, retention(&admin, &kafka.dlq_topic).await];
        Ok([
            Self::new(&format!("topic {}", kafka.topic), events, &of_events),
            Self::new(&format!("topic {}", kafka.dlq_topic), letters, &of_letters),
        ])
    }

    /// What remains in the logs of Redis and MySQL. `commands` says which commands Redis's log has.
    pub(super) async fn in_logs(stores: &Stores, redis: &mut Servers, commands: &str) -> anyhow::Result<[Self; 2]> {
        let until = if logs::redis_keeps_a_log(redis).await? {
            "until each server rewrites its file: by itself as the file grows, or at once by BGREWRITEAOF"
        } else {
            "until the next snapshot; no append-only file is kept"
        };
        let of_redis = Self::new("Redis's append-only file, snapshots and replicas' backlogs", commands, until);
        let of_mysql = Self::new(
            "MySQL's binary log, and its copies on replicas and in backups",
            "the rows as they were written and deleted",
            &logs::binlog_days(&stores.mysql).await?,
        );
        Ok([of_redis, of_mysql])
    }
}

/// How long a topic keeps a record, as text. The deletion itself is done, so it does not fail if Kafka does not answer.
async fn retention(admin: &AdminClient<DefaultClientContext>, topic: &str) -> String {
    let unknown =
        |error: anyhow::Error| format!("for as long as the topic keeps it; Kafka did not say how long: {error:#}");
    asked(admin, topic).await.unwrap_or_else(unknown)
}

async fn asked(admin: &AdminClient<DefaultClientContext>, topic: &str) -> anyhow::Result<String> {
    let wait = AdminOptions::new().request_timeout(Some(Duration::from_secs(5)));
    let answer = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &wait).await.map_err(StoreError::from)?;
    let config = answer.into_iter().next().context("Kafka's answer does not have the topic")?;
    let config = config.map_err(|error| anyhow!("the configuration of topic {topic}: {error}"))?;
    let ms = config.get("retention.ms").and_then(|entry| entry.value.as_deref()).and_then(|ms| ms.parse::<i64>().ok());
    Ok(match ms {
        Some(ms) if ms >= 0 => format!("for {} days, the topic's retention", (ms + DAY_MS - 1) / DAY_MS),
        _ => "for good: the topic has no retention.ms".to_owned(),
    })
}
