//! Clients of Kafka that a process has only once.

use std::{
    sync::{
        Arc, Mutex as BlockingMutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use rdkafka::{
    consumer::BaseConsumer,
    producer::{FutureProducer, Producer as _},
};
use tokio::sync::Mutex;

use super::{kafka::reasons::Reasons, partitions::Partitions};

/// Each is created on first use, and again after it has lost Kafka.
#[derive(Default)]
pub(super) struct Shared {
    observer: BlockingMutex<Option<Asking>>,
    pub(super) producing: Mutex<Producing>,
}

impl Shared {
    pub(super) fn observer(&self) -> MutexGuard<'_, Option<Asking>> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client that reads offsets, and when it was created.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) client: Arc<BaseConsumer<Reasons>>,
    pub(super) since: Instant,
}

#[derive(Default)]
pub(super) struct Producing {
    pub(super) open: Option<Arc<Open>>,
    /// The last error on opening it, and when it came.
    pub(super) failed: Option<(String, Instant)>,
}

/// A producer, and the number of partitions of its topic.
pub(super) struct Open {
    pub(super) client: FutureProducer,
    pub(super) partitions: Arc<Partitions>,
    /// A record was not delivered in time.
    pub(super) lost: AtomicBool,
}

impl Open {
    /// After a fatal error librdkafka sends nothing more. One that has lost all brokers may never find them again.
    pub(super) fn is_usable(&self) -> bool {
        self.client.client().fatal_error().is_none() && !self.lost.load(Relaxed)
    }
}
