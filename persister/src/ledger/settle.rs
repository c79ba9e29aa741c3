//! Waiting until MySQL has what Redis had acknowledged at some moment.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{marks::Marks, outbox};
use crate::{
    backoff::pause,
    output::counted,
    store::{StoreError, Stores, servers::Servers},
};

const POLL: Duration = Duration::from_millis(100);

/// Waits until all entries up to the marks are in Kafka, and all that was in Kafka then has been applied. An outbox's
/// version in MySQL alone would not tell: entries may arrive in another order than they were made.
pub(crate) async fn settle(
    stores: &Stores,
    redis: &mut Servers,
    marks: &Marks,
    patience: Duration,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let began = Instant::now();
    let wait = async |what: String| {
        if stop.is_cancelled() {
            return Err(StoreError::Other(format!("stopped while waiting for {what}")));
        }
        if began.elapsed() > patience {
            let seconds = patience.as_secs();
            let text = format!("MySQL did not catch up within {seconds} s: still {what}; do relay and consumer run?");
            return Err(StoreError::Other(text));
        }
        pause(POLL, stop).await;
        Ok(())
    };
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
    let observer = stores.kafka.observer()?;
    let mark = observer.progress().await?;
    let mut now = mark.clone();
    while now.behind(&mark) > 0 {
        wait(counted(now.behind(&mark), "event") + " in Kafka to be consumed").await?;
        now = observer.progress().await?;
    }
    Ok(())
}
