//! One record of the dead-letter queue.

use std::collections::BTreeMap;

use contract::{DecodeError, Event, OutboxEntry};
use jiff::Timestamp;
use rdkafka::{
    Message as _,
    message::{Headers as _, OwnedMessage},
};

/// A record that could not be applied, with reason and origin.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// When it was put into the queue.
    pub(super) at: Option<Timestamp>,
    /// `reason`; then `topic`, `partition` and `offset` of a consumed record, or `stream` and `id` of an outbox entry.
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

    /// The origin: `topic/partition/offset`, or `stream/id`.
    pub(super) fn origin(&self) -> String {
        let names =
            if self.headers.contains_key("stream") { &["stream", "id"][..] } else { &["topic", "partition", "offset"] };
        names.iter().map(|name| self.header(name)).collect::<Vec<_>>().join("/")
    }

    /// The event, if this release can read it.
    pub(super) fn event(&self) -> Result<Event, DecodeError> {
        let Ok(id) = self.header("id").parse() else { return Event::from_json(&self.payload) };
        // An outbox's entry: its fields, without the id that makes the version.
        OutboxEntry::from_json(id, &self.payload)?.to_event()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use rdkafka::{
        Timestamp as Stamp,
        message::{Header, OwnedHeaders},
    };

    use super::*;

    fn letter(headers: &[(&str, &[u8])], payload: &[u8], stamp: i64) -> Letter {
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        let stamp = Stamp::CreateTime(stamp);
        Letter::of(&OwnedMessage::new(Some(payload.to_vec()), None, "dlq".to_owned(), stamp, 3, 9, Some(headers)))
    }

    proptest! {
        #[test]
        fn any_record_is_a_letter(
            names in vec("id|stream|reason|[a-z]{1,6}", 0..4),
            values in vec(vec(any::<u8>(), 0..20), 4),
            payload in vec(any::<u8>(), 0..100),
            stamp: i64,
        ) {
            let headers: Vec<(&str, &[u8])> =
                names.iter().map(String::as_str).zip(values.iter().map(Vec::as_slice)).collect();
            let letter = letter(&headers, &payload, stamp);
            prop_assert_eq!((letter.partition, letter.offset, &letter.payload), (3, 9, &payload));
            prop_assert!(letter.event().is_err() && letter.origin().contains('/'));
        }
    }

    const EVENT: &[u8] = br#"{"v":1,"version":"1-0","type":"like","user_id":"7","article_id":"42","status":1,
        "cause":"user","occurred_at":"2026-01-01T00:00:00Z"}"#;
    const FIELDS: &[u8] = br#"{"type":"like","user_id":"7","article_id":"42","status":"1","cause":"user","at":"1"}"#;

    #[test]
    fn a_letter_is_read_as_what_it_was() {
        let consumed = letter(&[("reason", b"r"), ("topic", b"t"), ("partition", b"1"), ("offset", b"2")], EVENT, 0);
        assert_eq!(consumed.origin(), "t/1/2");
        assert_eq!(consumed.event().expect("an event").version.to_string(), "1-0");
        let entry = letter(&[("reason", b"r"), ("stream", b"{94}:outbox"), ("id", b"5-1")], FIELDS, 0);
        assert_eq!(entry.origin(), "{94}:outbox/5-1");
        assert_eq!(entry.event().expect("an event").version.to_string(), "5-1");
        // An entry's fields need the id. An event has no header with an id.
        assert!(letter(&[], FIELDS, 0).event().is_err());
        assert!(letter(&[("id", b"5-1")], EVENT, 0).event().is_err());
    }
}
