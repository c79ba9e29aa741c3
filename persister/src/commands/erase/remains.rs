//! What an erasure does not reach, and when it goes by itself.

use std::{fmt, time::Duration};

use anyhow::{Context as _, anyhow};
use rdkafka::{
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
};
use serde::Serialize;

use crate::store::{StoreError, kafka::Kafka};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Something that stays.
#[derive(Debug, Serialize)]
pub(super) struct Remains {
    /// Where: a topic, or a kind of key.
    #[serde(rename = "where")]
    place: String,
    what: &'static str,
    until: String,
}

impl fmt::Display for Remains {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}; {}", self.place, self.what, self.until)
    }
}

/// All of it, with the topics' retention as Kafka has it now.
pub(super) async fn of(kafka: &Kafka) -> anyhow::Result<Vec<Remains>> {
    let admin: AdminClient<DefaultClientContext> = kafka.client().create()?;
    let mut all = Vec::new();
    for (topic, what) in [
        (
            &kafka.topic,
            "events with the user's id and the keyed hash of the address, which no delivery applies any more",
        ),
        (&kafka.dlq_topic, "such events among those that could not be applied; a replay does not bring them back"),
    ] {
        all.push(Remains { place: format!("topic {topic}"), what, until: retention(&admin, topic).await? });
    }
    let place = |place: &str, what, until: &str| Remains { place: place.to_owned(), what, until: until.to_owned() };
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
    all.push(place("article views, visitors and reads", "sums and sketches, which name nobody", "for good"));
    all.push(place("table erased_user", "the user's id and the time, so that nothing comes back", "for good"));
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
