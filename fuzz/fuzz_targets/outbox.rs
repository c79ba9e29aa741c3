//! An outbox's entries, as Redis answers them: each becomes an event that the consumer takes, or a dead letter.
#![no_main]

use std::collections::HashMap;

use arbitrary::Arbitrary;
use contract::{Event, Kind, OutboxEntry, Version};
use libfuzzer_sys::fuzz_target;
use redis::Value;

// The persister is a program and no library: its file is compiled into this one.
#[path = "../../persister/src/ledger/entry.rs"]
mod entry;

use entry::{Entry, of_claim, of_read};

#[derive(Debug, Arbitrary)]
enum Answer<'a> {
    Nil,
    Number(i64),
    Status(&'a str),
    Bytes(&'a [u8]),
    Many(Vec<Answer<'a>>),
}

impl From<&Answer<'_>> for Value {
    fn from(answer: &Answer) -> Self {
        match answer {
            Answer::Nil => Self::Nil,
            Answer::Number(number) => Self::Int(*number),
            Answer::Status(text) => Self::SimpleString((*text).to_owned()),
            Answer::Bytes(bytes) => Self::BulkString(bytes.to_vec()),
            Answer::Many(answers) => Self::Array(answers.iter().map(Self::from).collect()),
        }
    }
}

#[derive(Debug, Arbitrary)]
enum Field<'a> {
    Any(&'a [u8]),
    Number(i64),
    Kind(u8),
    Word(u8),
}

const WORDS: [&str; 8] = ["read", "user", "revoke", "erase", "reconcile", "0", "1", ""];

/// One of all kinds.
fn kind(number: u8) -> Kind {
    Kind::ALL[usize::from(number) % Kind::ALL.len()]
}

impl Field<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Any(bytes) => bytes.to_vec(),
            Self::Number(number) => number.to_string().into_bytes(),
            Self::Kind(number) => kind(*number).name().as_bytes().to_vec(),
            Self::Word(word) => WORDS[usize::from(*word) % WORDS.len()].as_bytes().to_vec(),
        }
    }
}

#[derive(Debug, Arbitrary)]
enum Sent<'a> {
    Any(Answer<'a>),
    /// What the scripts append for a kind, with some fields replaced.
    Fields {
        ms: u64,
        seq: u64,
        kind: u8,
        replaced: Vec<(u8, Field<'a>)>,
    },
}

fuzz_target!(|sent: Sent| match sent {
    Sent::Any(answer) => {
        let _ = of_claim(Value::from(&answer)).map(|(_, entries)| entries.into_iter().for_each(check));
        of_read(Value::from(&answer)).unwrap_or_default().into_iter().for_each(check);
    }
    Sent::Fields { ms, seq, kind: number, replaced } => {
        let most = i64::MAX.cast_unsigned();
        let id = Version { ms: ms & most, seq: seq & most };
        let values = [kind(number).name(), "7", "42", "1", "", "user", "1763800000000", "r", "0af7"];
        let mut values = values.map(|value| value.as_bytes().to_vec());
        for (at, field) in &replaced {
            values[usize::from(*at) % OutboxEntry::FIELDS.len()] = field.bytes();
        }
        let bulk = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
        let flat = vec![bulk(OutboxEntry::EVENT.as_bytes()), bulk(&values.join(&b' '))];
        let entry = Value::Array(vec![bulk(id.to_string().as_bytes()), Value::Array(flat)]);
        let (_, entries) = of_claim(Value::Array(vec![bulk(b"0-0"), Value::Array(vec![entry])])).expect("well formed");
        let [entry] = <[Entry; 1]>::try_from(entries).expect("one entry");
        assert_eq!(entry.id, id);
        assert!(!replaced.is_empty() || entry.event.is_ok());
        check(entry);
    }
});

fn check(entry: Entry) {
    match entry.event {
        Ok(event) => {
            assert_eq!(event.version, entry.id);
            assert_eq!(Event::from_json(&event.to_json()).ok(), Some(event), "the consumer takes what the relay ships");
        }
        Err(letter) => {
            let kept = OutboxEntry::from_json(entry.id, &letter.bytes).expect("a dead letter can be read again");
            let fields: HashMap<String, String> = serde_json::from_slice(&letter.bytes).expect("an object");
            assert_eq!(kept.fields, fields);
            match kept.to_event() {
                // Replaced what is no text, so that it can be put back by hand.
                Ok(_) => assert_eq!(letter.reason, "outbox entry: not UTF-8"),
                Err(error) => assert_eq!(format!("outbox entry: {error}"), letter.reason),
            }
        }
    }
}
