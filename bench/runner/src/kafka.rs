//! Topics, filled before anything reads them.

use std::{ops::Range, time::Duration};

use anyhow::{Result, anyhow};
use contract::{Cause, Change, Event, Kind, Partition, Version};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
};

use crate::ids::{article, scattered, user};

const PARTITIONS: u8 = 16;
const PATIENCE: Duration = Duration::from_mins(1);
const FIRST_MS: u64 = 1_763_800_000_000;

pub(crate) async fn create_topic(brokers: &str, name: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let topic = NewTopic::new(name, i32::from(PARTITIONS), TopicReplication::Fixed(1));
    for made in admin.create_topics(&[topic], &AdminOptions::new()).await? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(anyhow!("topic {name}: {code}")),
        }
    }
    Ok(())
}

/// Whose likes fill a topic.
#[derive(Clone, Copy)]
pub(crate) struct Pairs {
    pub(crate) articles: u64,
    /// Drawn from so many; without, each like is by a user of its own, so that each becomes a row.
    pub(crate) users: Option<u64>,
}

/// The like number `number` of a full topic, in no order of articles.
fn like(number: u64, pairs: Pairs) -> Event {
    let drawn = scattered(number);
    Event {
        version: Version { ms: FIRST_MS + number / 50, seq: number % 50 },
        user: Some(user(pairs.users.map_or(number, |users| scattered(drawn) % users))),
        article: article(0, drawn % pairs.articles),
        change: Change::Switch(Kind::Like, true),
        cause: Cause::User,
        occurred_at: jiff::Timestamp::UNIX_EPOCH + Duration::from_millis(FIRST_MS + number / 50),
        request_id: format!("{number:032x}"),
        ip_hash: format!("{drawn:032x}"),
    }
}

/// Adds likes to the topic of events as the relay would.
pub(crate) fn publish_events(brokers: &str, numbers: Range<u64>, pairs: Pairs) -> Result<()> {
    publish(brokers, "interaction.events", numbers.map(|number| like(number, pairs)), Event::to_json)
}

/// The same likes as the Go design's service sends them.
pub(crate) fn publish_seed(brokers: &str, topic: &str, numbers: Range<u64>, pairs: Pairs) -> Result<()> {
    let message = |event: &Event| {
        let (user, article) = (event.user.as_ref().map_or(0, |user| user.number().get()), event.article.number().get());
        serde_json::json!({"user_id": user, "article_id": article, "action": 1}).to_string().into_bytes()
    };
    publish(brokers, topic, numbers.map(|number| like(number, pairs)), message)
}

fn publish(
    brokers: &str,
    topic: &str,
    events: impl Iterator<Item = Event>,
    bytes: impl Fn(&Event) -> Vec<u8>,
) -> Result<()> {
    let producer: BaseProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "20")
        .set("compression.type", "lz4")
        .create()?;
    for event in events {
        let (key, payload) = (event.article.to_string(), bytes(&event));
        // As the relay spreads them.
        let to = i32::from(Partition::of(event.article.number()).get() % PARTITIONS);
        let mut record = BaseRecord::to(topic).partition(to).key(&key).payload(&payload);
        while let Err((error, unsent)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(20));
            record = unsent;
        }
        producer.poll(Duration::ZERO);
    }
    Ok(producer.flush(PATIENCE)?)
}
