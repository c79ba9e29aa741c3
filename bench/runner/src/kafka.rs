//! Topics, filled before anything reads them.

use std::time::Duration;

use anyhow::{Result, anyhow};
use contract::{Cause, Change, Event, Kind, Partition, Version};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
};

use crate::ids::{article, user};

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

/// The like number `number` of a full topic: every one of another pair, so that each becomes a row, in no order of users
/// or articles.
fn like(number: u64, articles: u64) -> Event {
    let number_of_article = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    Event {
        version: Version { ms: FIRST_MS + number / 50, seq: number % 50 },
        user: Some(user(number)),
        article: article(0, number_of_article % articles),
        change: Change::Switch(Kind::Like, true),
        cause: Cause::User,
        occurred_at: jiff::Timestamp::UNIX_EPOCH + Duration::from_millis(FIRST_MS + number / 50),
        request_id: format!("{number:032x}"),
        ip_hash: format!("{number_of_article:032x}"),
    }
}

/// Fills the topic of events as the relay would.
pub(crate) fn publish_events(brokers: &str, count: u64, articles: u64) -> Result<()> {
    publish(brokers, "interaction.events", (0..count).map(|number| like(number, articles)), Event::to_json)
}

/// The same likes as the Go design's service sends them.
pub(crate) fn publish_seed(brokers: &str, topic: &str, count: u64, articles: u64) -> Result<()> {
    let message = |event: &Event| {
        let (user, article) = (event.user.as_ref().map_or(0, |user| user.number().get()), event.article.number().get());
        serde_json::json!({"user_id": user, "article_id": article, "action": 1}).to_string().into_bytes()
    };
    publish(brokers, topic, (0..count).map(|number| like(number, articles)), message)
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
