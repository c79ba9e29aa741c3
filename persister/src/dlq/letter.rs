//! One record of the dead-letter queue.

use std::collections::{BTreeMap, HashMap};

use contract::{DecodeError, Event, OutboxEntry};
use jiff::Timestamp;
use rdkafka::{
    Message as _,
    message::{Headers as _, OwnedMessage},
};

/// What could not be applied, with why and whence.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// When it was put here.
    pub(super) at: Option<Timestamp>,
    /// `reason`; then `topic`, `partition` and `offset` of a record that was consumed, or `stream` and `id` of an entry
    /// of an outbox.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) payload: Vec<u8>,
}

impl Letter {
    pub(super) fn of(message: &OwnedMessage) -> Self {
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        Self {
            partition: message.partition(),
            offset: message.offset(),
            at: message.timestamp().to_millis().and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            headers: message
                .headers()
                .into_iter()
                .flat_map(|headers| headers.iter())
                .map(|header| (header.key.to_owned(), text(header.value)))
                .collect(),
            payload: message.payload().unwrap_or_default().to_vec(),
        }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Where it came from: `topic/partition/offset`, or `stream/id`.
    pub(super) fn origin(&self) -> String {
        let names =
            if self.headers.contains_key("stream") { &["stream", "id"][..] } else { &["topic", "partition", "offset"] };
        names.iter().map(|name| self.header(name)).collect::<Vec<_>>().join("/")
    }

    /// The event that it is, if this release can read it.
    pub(super) fn event(&self) -> Result<Event, DecodeError> {
        let Ok(id) = self.header("id").parse() else { return Event::from_json(&self.payload) };
        // An outbox's entry: its fields, without the id that makes the version.
        let fields: HashMap<String, String> = serde_json::from_slice(&self.payload)?;
        OutboxEntry { id, fields }.to_event()
    }
}
