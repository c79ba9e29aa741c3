//! Waiting until MySQL has what Redis had acknowledged at some moment.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use contract::{Partition, Version, keys};
use redis::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::pause,
    output::counted,
    store::{Stores, servers::Servers},
};

const POLL: Duration = Duration::from_millis(100);

/// The last id of each outbox concerned, at the moment in question.
pub(crate) type Marks = BTreeMap<Partition, Version>;

/// Adds a mark, or raises the one that is there.
pub(crate) fn mark(marks: &mut Marks, partition: Partition, last: Version) {
    let mark = marks.entry(partition).or_default();
    *mark = last.max(*mark);
}

/// Waits until all entries up to the marks are in Kafka, and all that was in Kafka then has been applied. An outbox's
/// version in MySQL alone would not tell: entries may arrive in another order than they were made.
pub(crate) async fn settle(
    stores: &Stores,
    redis: &mut Servers,
    marks: &Marks,
    patience: Duration,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let wait = async |what: String| {
        if stop.is_cancelled() {
            bail!("stopped while waiting for {what}");
        }
        if began.elapsed() > patience {
            bail!("MySQL did not catch up within {} s: still {what}; do relay and consumer run?", patience.as_secs());
        }
        pause(POLL, stop).await;
        Ok(())
    };
    if marks.is_empty() {
        return Ok(());
    }
    loop {
        let mut ask = redis::pipe();
        for (partition, last) in marks {
            ask.cmd("XRANGE").arg(keys::outbox(*partition)).arg("-").arg(last.to_string()).arg("COUNT").arg(1);
        }
        let entries: Vec<Vec<Value>> = ask.query_async(redis).await.context("Redis")?;
        let waiting = entries.iter().filter(|entries| !entries.is_empty()).count();
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
