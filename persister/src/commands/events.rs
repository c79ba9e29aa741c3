//! Reading the events in Kafka.

use contract::Event;
use rdkafka::{Message as _, message::OwnedMessage};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::selection::Selection;
use crate::{output::progress, store::Stores};

/// Records between two moves of the progress bar.
const TELL: u64 = 1000;

/// Calls `take` with every selected event.
pub(super) async fn each(
    stores: &Stores,
    selection: &Selection,
    stop: &CancellationToken,
    mut take: impl FnMut(&Event, &OwnedMessage) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut log = stores.kafka.log(&stores.kafka.topic, selection.since, stop).await?;
    let bar = progress(log.left(), "reading the log");
    let mut unreadable = 0_u64;
    while let Some(message) = log.next().await? {
        match Event::from_json(message.payload().unwrap_or_default()) {
            Ok(event) if selection.admits(&event) => bar.suspend(|| take(&event, &message))?,
            Ok(_) => (),
            Err(_) => unreadable += 1,
        }
        let done = bar.length().unwrap_or_default().saturating_sub(log.left());
        if done >= bar.position() + TELL {
            bar.set_position(done);
        }
    }
    bar.finish_and_clear();
    if unreadable > 0 {
        warn!(unreadable, "some records cannot be read as events; see `persister dlq list`");
    }
    Ok(())
}
