//! From `collect_outbox` of MySQL to Kafka: for audit, since MySQL already has the change itself.

use std::time::Duration;

use contract::Partition;
use rdkafka::producer::DeliveryFuture;
use sqlx::{Connection as _, MySqlConnection, MySqlPool};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    backoff::pause,
    jobs::supervise::supervise,
    ledger::collect_outbox::{self, BATCH, Row},
    metrics,
    store::{
        StoreError, Stores,
        producer::{Producer, delivered},
    },
};

const IDLE: Duration = Duration::from_millis(200);

/// Relays until `stop`, over any outage.
pub(crate) async fn run(stores: &Stores, stop: &CancellationToken) {
    supervise("relay_collects", stop, || session(stores, stop)).await;
}

async fn session(stores: &Stores, stop: &CancellationToken) -> anyhow::Result<()> {
    let producer = stores.kafka.producer().await?;
    while !stop.is_cancelled() {
        if ship(&stores.mysql, &producer).await? < BATCH {
            pause(IDLE, stop).await;
        }
    }
    Ok(())
}

/// Ships the oldest rows that no other relay has in hand.
async fn ship(mysql: &MySqlPool, producer: &Producer) -> Result<usize, StoreError> {
    let mut connection = mysql.acquire().await?;
    let outcome = ship_locked(&mut connection, producer).await;
    if outcome.is_err() {
        // Whatever the transaction's state is, the server ends it with the connection.
        connection.close_on_drop();
    }
    outcome
}

async fn ship_locked(connection: &mut MySqlConnection, producer: &Producer) -> Result<usize, StoreError> {
    let mut transaction = connection.begin().await?;
    let rows = collect_outbox::take(&mut transaction).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in &rows {
        deliveries.push(queue(producer, row).await?);
    }
    for delivery in deliveries {
        delivered(delivery).await.inspect_err(|_| metrics::UNDELIVERED.add(1, &[]))?;
    }
    collect_outbox::delete(&mut transaction, &rows).await?;
    transaction.commit().await?;
    metrics::RELAYED.add(rows.len() as u64, &[("outbox", "collects")]);
    Ok(rows.len())
}

async fn queue(producer: &Producer, row: &Row) -> Result<DeliveryFuture, StoreError> {
    if let Some(event) = row.to_event() {
        return producer.send(Partition::of(event.article), &event.article.to_string(), &event.to_json()).await;
    }
    warn!(id = row.id, "to the dead-letter queue: collect_outbox row out of range");
    metrics::DEAD_LETTERED.add(1, &[("reason", "collect_row")]);
    let why = [("reason", "collect_outbox row out of range"), ("stream", "collect_outbox")];
    producer.bury(format!("{row:?}").as_bytes(), &why).await
}
