//! Consumers that have lost Kafka for good.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::consumer::{Consumer as _, ConsumerContext, StreamConsumer};

use super::METADATA;
use crate::store::error::{Store, StoreError};

const EVERY: Duration = Duration::from_secs(5);
/// Several times what a consumer needs to find a restarted broker.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends when this consumer has found no broker for 20 s. librdkafka goes on trying, but a client that once got a
/// list without any broker never finds them again (<https://github.com/confluentinc/librdkafka/issues/5301>). Kafka gives
/// such a list when all its brokers were frozen. The caller creates a new consumer.
pub(crate) async fn lost<C: ConsumerContext + 'static>(consumer: &Arc<StreamConsumer<C>>, topic: &str) -> StoreError {
    let mut answered = Instant::now();
    loop {
        tokio::time::sleep(EVERY).await;
        let (consumer, topic) = (Arc::clone(consumer), topic.to_owned());
        let asking = move || consumer.fetch_metadata(Some(&topic), METADATA).is_ok();
        if tokio::task::spawn_blocking(asking).await.unwrap_or(false) {
            answered = Instant::now();
        } else if answered.elapsed() > PATIENCE {
            return StoreError::Stalled { store: Store::Kafka, within: PATIENCE };
        }
    }
}

/// Leaves the group and ends the client, which blocks a thread: for seconds if Kafka does not answer.
pub(crate) async fn close<C: ConsumerContext + 'static>(consumer: Arc<StreamConsumer<C>>) {
    let closing = tokio::task::spawn_blocking(move || drop(consumer));
    // A client that takes longer ends by itself.
    let _ = tokio::time::timeout(METADATA, closing).await;
}
