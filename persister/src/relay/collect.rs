//! From `collect_outbox` of MySQL to Kafka: for audit, since MySQL already has the change itself.

use std::time::Duration;

use anyhow::Context as _;
use contract::{ArticleId, Cause, Change, Event, Partition, UserId, Version};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, FromRow, MySqlConnection, MySqlPool, query_as, raw_sql};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    backoff::{Backoff, pause},
    metrics,
    store::{
        Stores,
        kafka::{self, Producer},
    },
};

const BATCH: usize = 500;
const IDLE: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, FromRow)]
struct Row {
    id: i64,
    user_id: i64,
    article_id: i64,
    status: i8,
    at_ms: i64,
    request_id: String,
    ip_hash: String,
    cause: String,
}

/// Relays until `stop`, over any outage.
pub(crate) async fn run(stores: &Stores, stop: &CancellationToken) {
    let mut backoff = Backoff::new();
    while !stop.is_cancelled() {
        if let Err(error) = session(stores, &mut backoff, stop).await {
            metrics::interrupted("relay_collects", &error);
            warn!("relay of collects interrupted, will go on as soon as it can: {error:#}");
            backoff.wait(stop).await;
        }
    }
}

async fn session(stores: &Stores, backoff: &mut Backoff, stop: &CancellationToken) -> anyhow::Result<()> {
    let producer = stores.kafka.producer().await?;
    while !stop.is_cancelled() {
        let shipped = ship(&stores.mysql, &producer).await?;
        backoff.reset();
        if shipped < BATCH {
            pause(IDLE, stop).await;
        }
    }
    Ok(())
}

/// Ships the oldest rows that no other relay has in hand.
async fn ship(mysql: &MySqlPool, producer: &Producer) -> anyhow::Result<usize> {
    let mut connection = mysql.acquire().await.context("MySQL")?;
    let outcome = ship_locked(&mut connection, producer).await;
    if outcome.is_err() {
        // Whatever the transaction's state is, the server ends it with the connection.
        connection.close_on_drop();
    }
    outcome
}

async fn ship_locked(connection: &mut MySqlConnection, producer: &Producer) -> anyhow::Result<usize> {
    let mut transaction = connection.begin().await.context("MySQL")?;
    let rows: Vec<Row> = query_as(
        "SELECT id, user_id, article_id, status, at_ms, request_id, ip_hash, cause FROM collect_outbox
         ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED",
    )
    .fetch_all(&mut *transaction)
    .await
    .context("MySQL")?;
    if rows.is_empty() {
        return Ok(0);
    }
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in &rows {
        deliveries.push(queue(producer, row).await.context("Kafka")?);
    }
    for delivery in deliveries {
        kafka::delivered(delivery).await.inspect_err(|_| metrics::UNDELIVERED.add(1, &[])).context("Kafka")?;
    }
    let ids = rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>().join(",");
    raw_sql(AssertSqlSafe(format!("DELETE FROM collect_outbox WHERE id IN ({ids})")))
        .execute(&mut *transaction)
        .await
        .context("MySQL")?;
    transaction.commit().await.context("MySQL")?;
    metrics::RELAYED.add(rows.len() as u64, &[("outbox", "collects")]);
    Ok(rows.len())
}

async fn queue(
    producer: &Producer,
    row: &Row,
) -> Result<rdkafka::producer::DeliveryFuture, rdkafka::error::KafkaError> {
    if let Some(event) = row.to_event() {
        return producer.send(Partition::of(event.article), &event.article.to_string(), &event.to_json()).await;
    }
    warn!(id = row.id, "to the dead-letter queue: collect_outbox row out of range");
    metrics::DEAD_LETTERED.add(1, &[("reason", "collect_row")]);
    let why = [("reason", "collect_outbox row out of range"), ("stream", "collect_outbox")];
    producer.bury(format!("{row:?}").as_bytes(), &why).await
}

impl Row {
    fn to_event(&self) -> Option<Event> {
        Some(Event {
            // Not of the outboxes' clock, and never compared with a like's: unique, and readable in the audit log.
            version: Version { ms: u64::try_from(self.at_ms).ok()?, seq: u64::try_from(self.id).ok()? },
            user: Some(UserId::try_from(self.user_id).ok()?),
            article: ArticleId::try_from(self.article_id).ok()?,
            change: Change::Collect(match self.status {
                0 => false,
                1 => true,
                _ => return None,
            }),
            cause: if self.cause == "erase" { Cause::Erase } else { Cause::User },
            occurred_at: Timestamp::from_millisecond(self.at_ms).ok()?,
            request_id: self.request_id.clone(),
            ip_hash: self.ip_hash.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shipped_can_be_read_again(
            (id, user_id, article_id, at_ms): (i64, i64, i64, i64),
            status in -1..3_i8,
            request_id in "\\PC{0,20}",
            ip_hash in "\\PC{0,20}",
            cause in "user|erase|\\PC{0,9}",
        ) {
            let row = Row { id, user_id, article_id, status, at_ms, request_id, ip_hash, cause };
            if let Some(event) = row.to_event() {
                prop_assert_eq!(Event::from_json(&event.to_json()).map_err(|error| error.to_string()), Ok(event));
            }
        }
    }

    #[test]
    fn a_row_becomes_an_event_or_nothing() {
        let row = Row {
            id: 3,
            user_id: 7,
            article_id: 42,
            status: 1,
            at_ms: 1_763_800_000_000,
            request_id: "r".to_owned(),
            ip_hash: String::new(),
            cause: "user".to_owned(),
        };
        let event = row.to_event().expect("in range");
        assert_eq!((event.version.to_string(), event.change), ("1763800000000-3".to_owned(), Change::Collect(true)));
        assert!(Row { user_id: 0, ..row.clone() }.to_event().is_none());
        assert!(Row { status: 2, ..row }.to_event().is_none());
    }
}
