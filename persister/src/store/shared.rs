//! Clients of Kafka that a process has one of, whatever it does.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use rdkafka::{consumer::BaseConsumer, producer::FutureProducer};
use tokio::sync::Mutex;

use super::partitions::Partitions;

/// None of them is there before it is asked for.
#[derive(Default)]
pub(super) struct Shared {
    /// Asks what there is.
    pub(super) observer: OnceLock<Arc<BaseConsumer>>,
    pub(super) producing: Mutex<Producing>,
}

#[derive(Default)]
pub(super) struct Producing {
    /// The producer, and how many partitions its topic has.
    pub(super) open: Option<(FutureProducer, Arc<Partitions>)>,
    /// Why Kafka last did not say what is needed to open it, and when.
    pub(super) failed: Option<(String, Instant)>,
}
