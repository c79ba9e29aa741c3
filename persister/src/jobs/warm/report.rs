//! The record of a rebuild.

use std::time::Duration;

use contract::Partition;
use sqlx::MySqlPool;
use tracing::{info, warn};

use crate::{
    ledger::{
        loss::Loss,
        rebuilds::{PROMOTED, begin, finish},
        restore::Written,
    },
    metrics,
};

/// Logs a rebuild that succeeded, and completes its record. The partitions serve already, so a failure is only logged.
pub(super) async fn report(
    mysql: &MySqlPool,
    id: u64,
    partitions: &[Partition],
    loss: &Loss,
    written: &Written,
    took: Duration,
) {
    metrics::REBUILDS.add(1, &[]);
    info!(
        partitions = partitions.len(),
        members = written.members,
        articles_with_counters = written.articles,
        writing_ms = written.took.as_millis(),
        members_per_second = written.members_per_second(),
        fenced_ms = took.as_millis(),
        "warm: rebuilt from MySQL; {loss}"
    );
    if let Err(error) = finish(mysql, id, written, took).await {
        warn!("cannot write the record of the rebuild: {:#}", anyhow::Error::from(error));
    }
}

/// Records a promotion like a rebuild: the promoted replica may lack what its master had not sent yet.
pub(super) async fn promoted(mysql: &MySqlPool, partitions: &[Partition], loss: &Loss, took: Duration) {
    if loss.partitions == 0 {
        return;
    }
    warn!("a replica has taken over; {loss}");
    let written = Written { members: 0, articles: 0, took: Duration::ZERO };
    let record = async {
        let id = begin(mysql, PROMOTED, partitions, loss).await?;
        finish(mysql, id, &written, took).await
    };
    if let Err(error) = record.await {
        warn!("cannot write the record of what may be lost: {:#}", anyhow::Error::from(error));
    }
}
