//! `persister dlq replay`

use anyhow::Context as _;
use contract::{Change, Event, Partition};
use rdkafka::producer::DeliveryFuture;
use sqlx::{MySqlPool, QueryBuilder, query, query_scalar};
use tokio_util::sync::CancellationToken;

use super::{Letter, ReplayOptions, replayed};
use crate::{
    output::line,
    store::{
        Stores,
        kafka::{self, Producer},
    },
    warm,
};

/// Records that are under way at once, and recorded at once.
const BATCH: usize = 500;

pub(super) async fn run(stores: &Stores, options: &ReplayOptions, stop: &CancellationToken) -> anyhow::Result<()> {
    let topic = &stores.kafka.dlq_topic;
    if !options.dry_run {
        forget_dropped(stores).await?;
    }
    let before = replayed(&stores.mysql, topic).await?;
    let rebuilt: Option<i64> = query_scalar("SELECT MAX(noticed_ms) FROM rebuild WHERE lost_of > 0 AND reason <> ?")
        .bind(warm::PROMOTED)
        .fetch_one(&stores.mysql)
        .await
        .context("MySQL")?;
    // A Redis that was rebuilt without a like would go on denying it, and it is Redis that reconciling believes.
    let outdated = |event: &Event| {
        let since = rebuilt.is_some_and(|at| event.version.ms <= at.unsigned_abs());
        since && matches!(event.change, Change::Like(_))
    };
    let all_warm = async || warm::all_warm(&mut stores.redis.connect().await.context("Redis")?).await;
    if !options.dry_run {
        all_warm().await?;
    }
    let producer = stores.kafka.producer().await?;
    let mut log = stores.kafka.log(topic, None, stop).await?;
    let (mut done, mut again, mut stay) = (0_u64, 0_u64, 0_u64);
    let mut batch = Vec::new();
    while let Some(message) = log.next().await? {
        let letter = Letter::of(&message);
        if !options.filter.admits(&letter) {
            continue;
        }
        if before.contains(&(letter.partition, letter.offset)) {
            again += 1;
            continue;
        }
        let event = match letter.event() {
            Ok(event) => event,
            Err(error) => {
                stay += 1;
                line(format_args!("offset {}: stays, since it is no event to this release: {error}", letter.offset))?;
                continue;
            }
        };
        if outdated(&event) {
            stay += 1;
            line(format_args!(
                "offset {}: stays, since Redis has been rebuilt without it: user {} may like article {} again",
                letter.offset,
                event.user.map(|user| user.to_string()).unwrap_or_default(),
                event.article
            ))?;
            continue;
        }
        done += 1;
        if options.dry_run {
            line(format_args!("offset {}: would go back: article {}", letter.offset, event.article))?;
            continue;
        }
        batch.push((letter.partition, letter.offset, send(&producer, &letter, &event).await?));
        if batch.len() >= BATCH {
            record(&stores.mysql, topic, std::mem::take(&mut batch)).await?;
            all_warm().await?;
        }
    }
    record(&stores.mysql, topic, batch).await?;
    if !options.dry_run {
        forget_dropped(stores).await?;
    }
    let verb = if options.dry_run { "would be put back" } else { "put back" };
    line(format_args!("{done} {verb}, {again} were before, {stay} stay"))
}

/// Queues the event as it came where it was one already; made anew where it was an outbox's entry.
async fn send(producer: &Producer, letter: &Letter, event: &Event) -> anyhow::Result<DeliveryFuture> {
    let made;
    let bytes = if letter.headers.contains_key("id") {
        made = event.to_json();
        &made
    } else {
        &letter.payload
    };
    producer.send(Partition::of(event.article), &event.article.to_string(), bytes).await.context("Kafka")
}

/// Remembers what Kafka has taken. After a crash between the two a record is put back once more, which changes nothing
/// in the end: every event may come any number of times.
async fn record(mysql: &MySqlPool, topic: &str, batch: Vec<(i32, i64, DeliveryFuture)>) -> anyhow::Result<()> {
    let mut taken = Vec::with_capacity(batch.len());
    let mut failed = None;
    for (partition, offset, delivery) in batch {
        match kafka::delivered(delivery).await {
            Ok(()) => taken.push((partition, offset)),
            Err(error) => failed = Some(error),
        }
    }
    if !taken.is_empty() {
        let mut insert = QueryBuilder::new("INSERT IGNORE INTO dlq_replayed (topic, p, record, replayed_at) ");
        insert.push_values(&taken, |mut row, (partition, offset)| {
            row.push_bind(topic).push_bind(partition).push_bind(offset).push("UTC_TIMESTAMP(3)");
        });
        insert.build().execute(mysql).await.context("MySQL")?;
    }
    failed.map_or(Ok(()), |error| Err(error).context("Kafka did not take a record; it is not recorded as put back"))
}

/// Records that Kafka no longer has cannot come a second time; nor can those that it does not have yet, since the topic
/// was made anew, have come before.
async fn forget_dropped(stores: &Stores) -> anyhow::Result<()> {
    let topic = &stores.kafka.dlq_topic;
    for (partition, (first, next)) in stores.kafka.observer()?.ends(topic).await? {
        query("DELETE FROM dlq_replayed WHERE topic = ? AND p = ? AND (record < ? OR record >= ?)")
            .bind(topic)
            .bind(partition)
            .bind(first)
            .bind(next)
            .execute(&stores.mysql)
            .await
            .context("MySQL")?;
    }
    Ok(())
}
