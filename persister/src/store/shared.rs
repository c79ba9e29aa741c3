//! Clients of Kafka that a process has only once.

use std::{
    sync::{Arc, Mutex as BlockingMutex, MutexGuard, PoisonError},
    time::Instant,
};

use rdkafka::consumer::BaseConsumer;
use tokio::sync::Mutex;

use super::{kafka::reasons::Reasons, producer::Open};

/// Each is created on first use, and again after it has lost Kafka.
#[derive(Default)]
pub(super) struct Shared {
    observer: BlockingMutex<Option<Arc<BaseConsumer<Reasons>>>>,
    pub(super) producing: Mutex<Producing>,
}

impl Shared {
    /// The client that reads offsets.
    pub(super) fn observer(&self) -> MutexGuard<'_, Option<Arc<BaseConsumer<Reasons>>>> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(super) struct Producing {
    pub(super) open: Option<Arc<Open>>,
    /// The last error on opening it, and when it came.
    pub(super) failed: Option<(String, Instant)>,
}
