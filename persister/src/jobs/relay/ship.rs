//! From MySQL's outbox to Kafka, for the audit log and the ranking. MySQL itself already has the change.

use std::time::Duration;

use contract::{Event, Partition};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    backoff::pause,
    jobs::supervise::supervise,
    ledger::mysql_outbox::{self, BATCH, Row, Work},
    metrics,
    store::{
        StoreError, Stores,
        producer::{Delivery, Producer},
    },
};

const IDLE: Duration = Duration::from_millis(100);

/// Ships until `stop`, over any outage.
pub(super) async fn run(stores: &Stores, stop: &CancellationToken) {
    supervise("relay_mysql_to_kafka", stop, || session(stores, stop)).await;
}

async fn session(stores: &Stores, stop: &CancellationToken) -> anyhow::Result<()> {
    let producer = stores.kafka.producer().await?;
    let all: Vec<Partition> = Partition::all().collect();
    while !stop.is_cancelled() {
        let rows = mysql_outbox::read(&stores.mysql, Work::Ship, &all).await?;
        if !rows.is_empty() {
            ship(stores, &producer, &rows).await?;
        }
        if rows.len() < BATCH {
            pause(IDLE, stop).await;
        }
    }
    Ok(())
}

async fn ship(stores: &Stores, producer: &Producer, rows: &[Row]) -> Result<(), StoreError> {
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in rows {
        let event = row.to_event().map_err(|error| format!("row of MySQL's outbox: {error}"));
        deliveries.push((event.is_err(), queue(producer, row, event).await?));
    }
    for (dead, delivery) in deliveries {
        delivery.done().await.inspect_err(|_| metrics::UNDELIVERED.add(1, &[]))?;
        if dead {
            metrics::DEAD_LETTERED.add(1, &[("reason", "mysql_outbox_row")]);
        }
    }
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    mysql_outbox::shipped(&stores.mysql, &ids).await?;
    metrics::RELAYED.add(rows.len() as u64, &[("outbox", "mysql")]);
    Ok(())
}

async fn queue(producer: &Producer, row: &Row, event: Result<Event, String>) -> Result<Delivery, StoreError> {
    match event {
        Ok(event) => {
            let partition = Partition::of(event.article.number());
            producer.send(partition, &event.article.to_string(), &event.to_json()).await
        }
        Err(reason) => {
            warn!(id = row.id, "to the dead-letter queue: {reason}");
            let why = [("reason", reason.as_str()), ("stream", "outbox")];
            producer.bury(format!("{row:?}").as_bytes(), &why).await
        }
    }
}
