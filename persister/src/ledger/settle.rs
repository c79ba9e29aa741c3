//! Waiting until the store that follows has everything that the other had acknowledged at some moment.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use contract::Partition;
use sqlx::{AssertSqlSafe, MySqlPool, query_scalar};
use tokio_util::sync::CancellationToken;

use super::{marks::Marks, mysql_outbox, outbox};
use crate::{
    backoff::pause,
    output::counted,
    store::{StoreError, Stores, servers::Servers},
};

const POLL: Duration = Duration::from_millis(100);

/// How long to wait, and how long the wait has lasted.
pub(crate) struct Patience<'a> {
    began: Instant,
    lasts: Duration,
    stop: &'a CancellationToken,
}

impl<'a> Patience<'a> {
    /// For a wait that begins now.
    pub(crate) fn new(lasts: Duration, stop: &'a CancellationToken) -> Self {
        Self { began: Instant::now(), lasts, stop }
    }

    /// Waits a moment. Fails if the process has to stop, or after too long.
    async fn wait(&self, store: &str, what: &str, jobs: &str) -> Result<(), StoreError> {
        if self.stop.is_cancelled() {
            return Err(StoreError::Other(format!("stopped while waiting for {what}")));
        }
        if self.began.elapsed() > self.lasts {
            let seconds = self.lasts.as_secs();
            let text = format!("{store} did not catch up within {seconds} s: still {what}; {jobs}");
            return Err(StoreError::Other(text));
        }
        pause(POLL, self.stop).await;
        Ok(())
    }
}

/// Waits until all entries of Redis's outboxes up to the marks are in Kafka, and everything that was in Kafka then is
/// applied. An outbox's version in MySQL would prove less, since entries may arrive out of order.
pub(crate) async fn in_mysql(
    stores: &Stores,
    redis: &mut Servers,
    marks: &Marks,
    patience: &Patience<'_>,
) -> Result<(), StoreError> {
    let wait = async |what: String| patience.wait("MySQL", &what, "check that a relay and a consumer run").await;
    if marks.is_empty() {
        return Ok(());
    }
    loop {
        let waiting = outbox::waiting_up_to(redis, marks).await?;
        if waiting == 0 {
            break;
        }
        wait(format!("{waiting} outboxes to be relayed")).await?;
    }
    let mut now = stores.kafka.progress().await?;
    let end = now.end();
    while now.behind(&end) > 0 {
        wait(counted(now.behind(&end), "event") + " in Kafka to be consumed").await?;
        now = stores.kafka.progress().await?;
    }
    Ok(())
}

/// Waits until all rows of MySQL's outbox of these partitions are in Redis. A change that was read from MySQL before had its
/// row in the outbox then, so it is in Redis afterwards.
pub(crate) async fn in_redis(
    mysql: &MySqlPool,
    partitions: &BTreeSet<Partition>,
    patience: &Patience<'_>,
) -> Result<(), StoreError> {
    let list = partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    if list.is_empty() {
        return Ok(());
    }
    let up_to = mysql_outbox::last(mysql).await?;
    let sql = format!("SELECT COUNT(*) FROM outbox WHERE projected = FALSE AND id <= ? AND p IN ({list})");
    loop {
        let waiting: i64 = query_scalar(AssertSqlSafe(sql.clone())).bind(up_to).fetch_one(mysql).await?;
        if waiting == 0 {
            return Ok(());
        }
        let what = format!("{waiting} changes to be projected");
        patience.wait("Redis", &what, "check that a relay runs, and that these partitions are warm").await?;
    }
}
