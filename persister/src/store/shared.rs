//! What all that write to Kafka in a process share.

use std::time::Instant;

use rdkafka::producer::FutureProducer;
use tokio::sync::Mutex;

/// The process's producer, once one was asked for.
#[derive(Default)]
pub(super) struct Shared(pub(super) Mutex<State>);

#[derive(Default)]
pub(super) struct State {
    pub(super) client: Option<FutureProducer>,
    /// Of the event topic, and when Kafka said so.
    pub(super) partitions: Option<(i32, Instant)>,
    /// Why Kafka last did not say it, and when.
    pub(super) failed: Option<(String, Instant)>,
}
