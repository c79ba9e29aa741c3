//! How many partitions the event topic has. It may get more while it is written to.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rdkafka::producer::{FutureProducer, Producer as _};

/// How often producers and consumers look whether the topic has got more partitions. A group needs some seconds more to share
/// them.
pub(super) const LOOK: Duration = Duration::from_secs(3);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Partitions {
    count: AtomicI32,
    looked: Mutex<Instant>,
}

impl Partitions {
    pub(super) fn new(count: i32) -> Self {
        Self { count: AtomicI32::new(count), looked: Mutex::new(Instant::now()) }
    }

    /// How many there are, as far as is known. If that was long ago, it is asked again meanwhile: whoever sends does not
    /// wait. The producer itself asks, since it takes no record for a partition that it does not know.
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
