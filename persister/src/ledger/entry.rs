//! Reading entries of outboxes from Redis's answers.

use std::collections::HashMap;

use contract::{Event, OutboxEntry, Version};
use redis::{ErrorKind, RedisError, RedisResult, Value};

/// An entry of an outbox: its id, and its event, or why it is not an event.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: Version,
    pub(crate) event: Result<Event, Undecodable>,
}

/// An entry for the dead-letter queue.
#[derive(Debug)]
pub(crate) struct Undecodable {
    pub(crate) reason: String,
    /// The fields as a JSON object, for people.
    pub(crate) bytes: Vec<u8>,
}

/// The entries in an answer to XREADGROUP of one stream. A null answer means none.
pub(crate) fn of_read(answer: Value) -> RedisResult<Vec<Entry>> {
    if matches!(answer, Value::Nil) {
        return Ok(Vec::new());
    }
    let [stream] = array(answer)?;
    let [_key, entries] = array(stream)?;
    of_entries(entries)
}

/// The entries in an answer to XAUTOCLAIM, and the cursor to continue from.
pub(crate) fn of_claim(answer: Value) -> RedisResult<(String, Vec<Entry>)> {
    let Value::Array(parts) = answer else { return Err(shape("XAUTOCLAIM")) };
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some(cursor), Some(entries)) => Ok((text(cursor)?, of_entries(entries)?)),
        _ => Err(shape("XAUTOCLAIM")),
    }
}

fn of_entries(entries: Value) -> RedisResult<Vec<Entry>> {
    let Value::Array(entries) = entries else { return Err(shape("a stream")) };
    // An entry that was deleted while it was pending comes as null.
    entries.into_iter().filter(|entry| !matches!(entry, Value::Nil)).map(of_entry).collect()
}

fn of_entry(entry: Value) -> RedisResult<Entry> {
    let [id, fields] = array(entry)?;
    let id: Version = text(id)?.parse().map_err(|_| shape("an entry id"))?;
    let fields = match fields {
        Value::Array(fields) => fields,
        // It was deleted while it was pending: there is nothing to ship, only to acknowledge.
        _ => Vec::new(),
    };
    Ok(Entry { id, event: of_fields(id, fields) })
}

fn of_fields(id: Version, fields: Vec<Value>) -> Result<Event, Undecodable> {
    let mut texts = Vec::with_capacity(fields.len());
    let mut lossy = false;
    for field in fields {
        let Value::BulkString(bytes) = field else {
            lossy = true;
            continue;
        };
        texts.push(String::from_utf8(bytes).unwrap_or_else(|error| {
            lossy = true;
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }));
    }
    let mut named = HashMap::with_capacity(texts.len() / 2);
    let mut texts = texts.into_iter();
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        named.insert(name, value);
    }
    let entry = OutboxEntry::of_stream(id, named);
    let reason = match entry.to_event() {
        Ok(event) if !lossy => return Ok(event),
        Ok(_) => "not UTF-8".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Undecodable { reason: format!("outbox entry: {reason}"), bytes: entry.fields_to_json() })
}

fn array<const N: usize>(value: Value) -> RedisResult<[Value; N]> {
    match value {
        Value::Array(items) => items.try_into().map_err(|_| shape("an array")),
        _ => Err(shape("an array")),
    }
}

fn text(value: Value) -> RedisResult<String> {
    redis::from_redis_value(value).map_err(RedisError::from)
}

fn shape(what: &'static str) -> RedisError {
    RedisError::from((ErrorKind::UnexpectedReturnType, "Redis answered in an unknown form to", what.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn like(id: &str) -> Value {
        let event = OutboxEntry::event_of(["like", "7", "42", "1", "", "user", "1763800000000", "r", ""]);
        let fields = vec![bulk(OutboxEntry::EVENT), bulk(&event)];
        Value::Array(vec![bulk(id), Value::Array(fields)])
    }

    #[test]
    fn an_entry_becomes_an_event_whose_version_is_its_id() {
        let answer = Value::Array(vec![Value::Array(vec![bulk("{94}:outbox"), Value::Array(vec![like("5-1")])])]);
        let entries = of_read(answer).expect("well formed");
        let event = entries[0].event.as_ref().expect("an event");
        assert_eq!((entries[0].id.to_string(), event.version.to_string()), ("5-1".to_owned(), "5-1".to_owned()));
    }

    #[test]
    fn no_entries_in_time_is_no_error() {
        assert!(of_read(Value::Nil).expect("no entries").is_empty());
    }

    #[test]
    fn what_is_no_event_keeps_its_fields_and_says_why() {
        let broken = Value::Array(vec![bulk("5-1"), Value::Array(vec![bulk("type"), bulk("dance")])]);
        let entry = of_entry(broken).expect("an entry");
        let undecodable = entry.event.expect_err("no event");
        assert_eq!(undecodable.reason, "outbox entry: at is no time");
        assert_eq!(undecodable.bytes, br#"{"type":"dance"}"#);
    }

    #[test]
    fn bytes_that_are_no_text_are_no_event() {
        let mut entry = like("5-1");
        if let Value::Array(parts) = &mut entry
            && let Value::Array(fields) = &mut parts[1]
        {
            let Value::BulkString(event) = &mut fields[1] else { panic!("{fields:?}") };
            let request_id = event.iter().rposition(|byte| *byte == b'r').expect("it has one");
            event[request_id] = 0xff;
        }
        let entry = of_entry(entry).expect("an entry");
        assert_eq!(entry.event.expect_err("no event").reason, "outbox entry: not UTF-8");
    }
}
