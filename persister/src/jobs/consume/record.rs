//! A record read from Kafka.

use contract::{Change, DecodeError, Event};
use rdkafka::Message;

use super::owned::Owned;

/// A record of the topic, unchanged.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// The assignment under which the record came. None if its partition was revoked at that moment.
    pub(crate) assignment: Option<u64>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) event: Result<Event, DecodeError>,
}

pub(crate) type Batch = Vec<Record>;

impl Record {
    /// If `who_read` is false, the reader's id is dropped, because MySQL must not keep it.
    pub(super) fn of(message: &impl Message, owned: &Owned, who_read: bool) -> Self {
        let bytes = message.payload().unwrap_or_default();
        Self {
            partition: message.partition(),
            offset: message.offset(),
            assignment: owned.assignment(message.partition()),
            bytes: bytes.to_vec(),
            // Drop what MySQL does not store: thousands of records wait in memory.
            event: Event::from_json(bytes).map(|event| Event {
                request_id: String::new(),
                ip_hash: String::new(),
                user: event.user.filter(|_| who_read || !matches!(event.change, Change::Read(_))),
                ..event
            }),
        }
    }
}
