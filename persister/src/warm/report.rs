//! What a rebuild is remembered by.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{MySqlPool, query};
use tracing::{info, warn};

use super::{restore::Written, seen::Loss};
use crate::metrics;

/// A rebuild that has ended well.
pub(super) struct Rebuilt {
    pub(super) why: &'static str,
    pub(super) partitions: usize,
    pub(super) loss: Loss,
    pub(super) written: Written,
    /// From when the loss was noticed.
    pub(super) took: Duration,
}

/// Tells it, and keeps it in MySQL. The partitions serve already: a failure is only told.
pub(super) async fn report(mysql: &MySqlPool, rebuilt: &Rebuilt) {
    let Rebuilt { partitions, loss, written, took, .. } = rebuilt;
    metrics::REBUILDS.add(1, &[]);
    info!(
        partitions,
        likes = written.likes,
        articles_with_counters = written.articles,
        writing_ms = written.took.as_millis(),
        likes_per_second = written.likes_per_second(),
        fenced_ms = took.as_millis(),
        "warm: rebuilt from MySQL; {loss}"
    );
    if let Err(error) = keep(mysql, rebuilt).await {
        warn!("MySQL does not take the record of the rebuild: {error}");
    }
}

/// Why partitions were declared whole that may lack something: no rebuild took anything else from them.
pub(crate) const PROMOTED: &str = "a replica has taken over";

/// The same of partitions whose server was a replica, which may lack what its master had not sent it. Kept like a
/// rebuild.
pub(super) async fn promoted(mysql: &MySqlPool, partitions: usize, loss: Loss, took: Duration) {
    if loss.partitions == 0 {
        return;
    }
    warn!("a replica has taken over; {loss}");
    let written = Written { likes: 0, articles: 0, took: Duration::ZERO };
    let rebuilt = Rebuilt { why: PROMOTED, partitions, loss, written, took };
    if let Err(error) = keep(mysql, &rebuilt).await {
        warn!("MySQL does not take the record of what may be lost: {error}");
    }
}

async fn keep(mysql: &MySqlPool, rebuilt: &Rebuilt) -> sqlx::Result<()> {
    let Rebuilt { why, partitions, loss, written, took } = rebuilt;
    query(
        "INSERT INTO rebuild
            (noticed_ms, took_ms, reason, partitions, likes, articles, lost_of, lost_waiting, lost_from_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(loss.to.as_millisecond())
    .bind(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
    .bind(why)
    .bind(*partitions as u64)
    .bind(written.likes)
    .bind(written.articles)
    .bind(loss.partitions as u64)
    .bind(loss.waiting)
    .bind(loss.from.map(Timestamp::as_millisecond))
    .execute(mysql)
    .await?;
    Ok(())
}
