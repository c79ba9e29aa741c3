//! What comes out of Kafka.

use contract::{Change, DecodeError, Event};
use rdkafka::Message;

use super::owned::Owned;

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

impl Record {
    /// `who_read` is false where MySQL is to keep nothing of who read.
    pub(super) fn of(message: &impl Message, owned: &Owned, who_read: bool) -> Self {
        let bytes = message.payload().unwrap_or_default();
        Self {
            partition: message.partition(),
            offset: message.offset(),
            assignment: owned.assignment(message.partition()),
            bytes: bytes.to_vec(),
            // MySQL takes neither of these, and thousands of records wait.
            event: Event::from_json(bytes).map(|event| Event {
                request_id: String::new(),
                ip_hash: String::new(),
                user: event.user.filter(|_| who_read || !matches!(event.change, Change::Read(_))),
                ..event
            }),
        }
    }
}
