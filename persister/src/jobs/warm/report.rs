//! The record of a rebuild.

use std::time::Duration;

use sqlx::MySqlPool;
use tracing::{info, warn};

use crate::{
    ledger::{
        loss::Loss,
        rebuilds::{PROMOTED, Rebuilt, keep},
        restore::Written,
    },
    metrics,
};

/// Logs a rebuild that succeeded and saves it in MySQL. The partitions serve already, so a failure is only logged.
pub(super) async fn report(mysql: &MySqlPool, rebuilt: &Rebuilt) {
    let Rebuilt { partitions, loss, written, took, .. } = rebuilt;
    metrics::REBUILDS.add(1, &[]);
    info!(
        partitions,
        members = written.members,
        articles_with_counters = written.articles,
        writing_ms = written.took.as_millis(),
        members_per_second = written.members_per_second(),
        fenced_ms = took.as_millis(),
        "warm: rebuilt from MySQL; {loss}"
    );
    if let Err(error) = keep(mysql, rebuilt).await {
        warn!("cannot write the record of the rebuild: {:#}", anyhow::Error::from(error));
    }
}

/// Records a promotion like a rebuild: the promoted replica may lack what its master had not sent yet.
pub(super) async fn promoted(mysql: &MySqlPool, partitions: usize, loss: Loss, took: Duration) {
    if loss.partitions == 0 {
        return;
    }
    warn!("a replica has taken over; {loss}");
    let written = Written { members: 0, articles: 0, took: Duration::ZERO };
    let rebuilt = Rebuilt { why: PROMOTED, partitions, loss, written, took };
    if let Err(error) = keep(mysql, &rebuilt).await {
        warn!("cannot write the record of what may be lost: {:#}", anyhow::Error::from(error));
    }
}
