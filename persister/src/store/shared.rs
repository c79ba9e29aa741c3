//! Clients of Kafka that a process has only once.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use rdkafka::{consumer::BaseConsumer, producer::FutureProducer};
use tokio::sync::Mutex;

use super::{kafka::reasons::Reasons, partitions::Partitions};

/// Each is created on first use.
#[derive(Default)]
pub(super) struct Shared {
    /// Reads offsets.
    pub(super) observer: OnceLock<Arc<BaseConsumer<Reasons>>>,
    pub(super) producing: Mutex<Producing>,
}

#[derive(Default)]
pub(super) struct Producing {
    /// The producer, and the number of partitions of its topic.
    pub(super) open: Option<(FutureProducer, Arc<Partitions>)>,
    /// The last error on opening it, and when it came.
    pub(super) failed: Option<(String, Instant)>,
}
