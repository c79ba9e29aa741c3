//! Filling batches, by count and by deadline.

use std::time::Duration;

use contract::{DecodeError, Event};
use rdkafka::{
    Message,
    consumer::{Consumer as _, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::{sync::mpsc, time::Instant};
use tracing::warn;

use super::offsets::Owned;
use crate::config::ConsumeOptions;

/// A record of the topic, as it came.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// The assignment under which it came; none if its partition was given up at that moment.
    pub(crate) assignment: Option<u64>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) event: Result<Event, DecodeError>,
}

pub(crate) type Batch = Vec<Record>;

/// Sends batches until the receiver is gone or the consumer fails for good. While the receiver is busy the batch in
/// hand goes on growing to its full size, and after that Kafka keeps the rest.
pub(crate) async fn collect(
    consumer: &StreamConsumer<Owned>,
    options: ConsumeOptions,
    batches: mpsc::Sender<Batch>,
) -> Result<(), KafkaError> {
    let full = options.batch_events as usize;
    let wait = Duration::from_millis(options.batch_ms);
    let mut batch = Batch::new();
    let mut due = Instant::now();
    loop {
        let ready = batch.len() >= full || (!batch.is_empty() && Instant::now() >= due);
        tokio::select! {
            biased;
            permit = batches.reserve(), if ready => match permit {
                Ok(permit) => permit.send(std::mem::take(&mut batch)),
                Err(_) => return Ok(()),
            },
            message = consumer.recv(), if batch.len() < full => match message {
                Ok(message) => {
                    if batch.is_empty() {
                        due = Instant::now() + wait;
                    }
                    batch.push(Record::of(&message, consumer.context()));
                }
                Err(error) => pass_or_fail(error)?,
            },
            () = tokio::time::sleep_until(due), if !batch.is_empty() && !ready => (),
        }
    }
}

/// Most errors of a consumer pass by themselves: librdkafka reconnects, and rejoins the group.
fn pass_or_fail(error: KafkaError) -> Result<(), KafkaError> {
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
        return Err(error);
    }
    warn!("Kafka: {error}");
    Ok(())
}

impl Record {
    fn of(message: &impl Message, owned: &Owned) -> Self {
        let bytes = message.payload().unwrap_or_default();
        Self {
            partition: message.partition(),
            offset: message.offset(),
            assignment: owned.assignment(message.partition()),
            bytes: bytes.to_vec(),
            event: Event::from_json(bytes),
        }
    }
}
