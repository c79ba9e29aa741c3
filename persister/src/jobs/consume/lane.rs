//! One of the tasks that apply batches in parallel.

use std::{sync::Arc, time::Duration};

use rdkafka::consumer::StreamConsumer;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{offsets::Offsets, owned::Owned, poison, record::Batch};
use crate::store::Stores;

/// How often offsets are committed again while no records come. A late commit after a rebalance may have set them back,
/// and a rebuild of Redis waits for them.
const REPEAT_COMMIT: Duration = Duration::from_secs(3);

/// Applies the batches of its Kafka partitions in order.
pub(super) struct Lane {
    pub(super) number: usize,
    pub(super) filled: mpsc::Receiver<Batch>,
    /// Where the lane reports that it is idle.
    pub(super) idle: mpsc::Sender<usize>,
    pub(super) stop: CancellationToken,
}

impl Lane {
    pub(super) async fn run(mut self, stores: &Stores, consumer: &Arc<StreamConsumer<Owned>>, ended: DropGuard) {
        let mut offsets = Offsets::new(consumer, &stores.kafka.topic);
        while let Some(batch) = self.next(&offsets).await {
            if !poison::apply_batch(stores, &batch, &self.stop).await {
                break;
            }
            offsets.durable(&batch);
        }
        // The other lanes finish their batches meanwhile.
        drop(ended);
        offsets.commit_finally().await;
    }

    /// The next batch. None when the process has to stop or the collector has ended.
    async fn next(&mut self, offsets: &Offsets<'_>) -> Option<Batch> {
        // The channel has room for every lane.
        let _ = self.idle.try_send(self.number);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                batch = self.filled.recv() => return batch,
                () = tokio::time::sleep(REPEAT_COMMIT) => offsets.commit(),
            }
        }
    }
}
