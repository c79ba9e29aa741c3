//! What the relay ships, the consumer takes: an outbox's entry is an event that can be read again, or a dead letter
//! that keeps its fields.

use std::collections::HashMap;

use contract::{Change, DecodeError, Event, OutboxEntry, Version};
use proptest::{collection::hash_map, prelude::*, sample::select};

fn like() -> HashMap<String, String> {
    let values = ["like", "7", "42", "1", "", "user", "1763800000000", "r", "0af7"];
    OutboxEntry::FIELDS.into_iter().zip(values).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn entry(replaced: impl IntoIterator<Item = (&'static str, String)>) -> OutboxEntry {
    let mut fields = like();
    fields.extend(replaced.into_iter().map(|(name, value)| (name.to_owned(), value)));
    OutboxEntry { id: Version { ms: 5, seq: 1 }, fields }
}

fn any_value() -> impl Strategy<Value = String> {
    let words = select(vec!["like", "read", "collect", "share", "user", "revoke", "erase", "reconcile", "0", "1", ""]);
    prop_oneof![words.prop_map(str::to_owned), any::<i64>().prop_map(|number| number.to_string()), "\\PC{0,12}"]
}

proptest! {
    #[test]
    fn an_entry_is_an_event_that_can_be_read_again_or_none(
        replaced in hash_map(select(OutboxEntry::FIELDS.to_vec()), any_value(), 0..3),
    ) {
        let whole = replaced.is_empty();
        let entry = entry(replaced);
        match entry.to_event() {
            Ok(event) => {
                prop_assert_eq!(event.version, entry.id);
                prop_assert_eq!(Event::from_json(&event.to_json()).map_err(|error| error.to_string()), Ok(event));
            }
            Err(error) => {
                prop_assert!(!whole);
                let letter = OutboxEntry::from_json(entry.id, &entry.fields_to_json()).expect("reads what it wrote");
                prop_assert_eq!(letter.to_event().map_err(|error| error.to_string()), Err(error.to_string()));
                prop_assert_eq!(letter, entry);
            }
        }
    }

    #[test]
    fn any_bytes_are_an_entrys_fields_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = OutboxEntry::from_json(Version::default(), &bytes);
    }
}

#[test]
fn what_the_consumer_would_not_take_is_not_shipped() {
    let refused = |replaced: &[(&'static str, &str)]| {
        let replaced = replaced.iter().map(|(name, value)| (*name, (*value).to_owned()));
        match entry(replaced).to_event() {
            Err(DecodeError::Incomplete(reason)) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&[("user_id", "")]), "only a read may have no user_id");
    let reads = u64::MAX.to_string();
    assert_eq!(
        refused(&[("type", "read"), ("reads", &reads)]),
        "a read needs the article's reads after it, below 2^63"
    );
    let read = entry([("type", "read"), ("user_id", ""), ("reads", "3")].map(|(name, value)| (name, value.to_owned())));
    assert_eq!(read.to_event().map(|event| (event.user, event.change)).ok(), Some((None, Change::Read(3))));
}

/// The scripts, the relay and this type have the same values in the same order.
#[test]
fn the_outbox_fields_are_those_of_the_scripts() {
    let lua = include_str!("../../lua/include/event.lua");
    let (_, written) = lua.split_once("'event',").expect("the entry's one field");
    let words = written.split(|letter: char| !(letter.is_ascii_lowercase() || letter == '_'));
    let written: Vec<&str> = words.filter(|word| !["", "end"].contains(word)).collect();
    let named = OutboxEntry::FIELDS.map(|name| if name == "type" { "kind" } else { name });
    assert_eq!(written, named);
}

#[test]
fn an_entry_in_redis_is_its_events_values() {
    let values = ["like", "7", "42", "1", "", "user", "1763800000000", "r", "0af7"];
    let stored = |text: String| HashMap::from([(OutboxEntry::EVENT.to_owned(), text)]);
    let id = Version { ms: 5, seq: 1 };
    assert_eq!(OutboxEntry::of_stream(id, stored(OutboxEntry::event_of(values))), entry([]));
    for other in ["", "like 7 42 1", "like 7 42 1  user 1763800000000 r 0af7 more"] {
        let kept = OutboxEntry::of_stream(id, stored(other.to_owned()));
        assert_eq!(kept.fields, stored(other.to_owned()));
        assert!(kept.to_event().is_err());
    }
}
