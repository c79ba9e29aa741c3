//! The number of partitions of the event topic, which may grow while the topic is in use.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rdkafka::producer::{FutureProducer, Producer as _};

/// How often producers and consumers check for new partitions. A group takes some seconds more to share them.
pub(super) const LOOK: Duration = Duration::from_secs(3);
/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Partitions {
    count: AtomicI32,
    looked: Mutex<Instant>,
}

impl Partitions {
    pub(super) fn new(count: i32) -> Self {
        Self { count: AtomicI32::new(count), looked: Mutex::new(Instant::now()) }
    }

    /// The known number of partitions. If it is old, it is refreshed in the background, so a sender does not wait. The
    /// producer itself asks, because it refuses records for partitions that it does not know.
    pub(super) fn now(self: &Arc<Self>, producer: &FutureProducer, topic: &str) -> i32 {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.elapsed() > LOOK {
            *looked = Instant::now();
            let (known, producer, topic) = (Arc::clone(self), producer.clone(), topic.to_owned());
            tokio::task::spawn_blocking(move || {
                let Ok(metadata) = producer.client().fetch_metadata(Some(&topic), PATIENCE) else { return };
                let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
                if let Some(count) = i32::try_from(count).ok().filter(|count| *count > 0) {
                    known.count.store(count, Relaxed);
                }
            });
        }
        self.count.load(Relaxed)
    }
}
