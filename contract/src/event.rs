use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ArticleId, UserId, Version};

/// The format of the events that this release writes and reads.
const FORMAT: u64 = 1;

const READS: &str = "a read needs the article's reads after it, below 2^63";

/// What happened to an article, as it stands in Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Orders the changes of one article; unique within a partition.
    pub version: Version,
    /// Whose; `None` for the read of a visitor who is not signed in.
    pub user: Option<UserId>,
    /// Of which article.
    pub article: ArticleId,
    /// What changed, and to what.
    pub change: Change,
    /// Why.
    pub cause: Cause,
    /// When, by the store's clock, in milliseconds.
    pub occurred_at: Timestamp,
    /// The request that caused it.
    pub request_id: String,
    /// A keyed hash of the client's address; empty where there was no client.
    pub ip_hash: String,
}

/// The state after the change, so that applying it again changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The user likes it now, or no longer.
    Like(bool),
    /// The article has been read that many times.
    Read(u64),
    /// The user keeps it now, or no longer. For audit only: MySQL already has it.
    Collect(bool),
}

/// What caused a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The user's own request.
    User,
    /// Trust and safety undid it.
    Revoke,
    /// The user was erased.
    Erase,
    /// A repair of a difference between the stores.
    Reconcile,
}

/// Why bytes are not an event. The text goes into the dead-letter queue as its reason.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON of the event's shape, or a value out of its range.
    #[error("malformed event: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by a newer release.
    #[error("unknown event format v={0}, this release reads v={FORMAT}")]
    UnknownFormat(u64),
    /// A field that this type of event needs is missing or has no meaning.
    #[error("{0}")]
    Incomplete(&'static str),
}

/// The JSON shape; `type` decides which of `status` and `reads` is there.
#[derive(Serialize, Deserialize)]
struct Wire {
    v: u64,
    version: Version,
    r#type: Type,
    user_id: Option<UserId>,
    article_id: ArticleId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reads: Option<u64>,
    cause: Cause,
    occurred_at: Timestamp,
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    ip_hash: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Like,
    Read,
    Collect,
}

impl Event {
    /// The event as the JSON that goes to Kafka.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let (r#type, status, reads) = match self.change {
            Change::Like(on) => (Type::Like, Some(u8::from(on)), None),
            Change::Read(reads) => (Type::Read, None, Some(reads)),
            Change::Collect(on) => (Type::Collect, Some(u8::from(on)), None),
        };
        let wire = Wire {
            v: FORMAT,
            version: self.version,
            r#type,
            user_id: self.user,
            article_id: self.article,
            status,
            reads,
            cause: self.cause,
            occurred_at: self.occurred_at,
            request_id: self.request_id.clone(),
            ip_hash: self.ip_hash.clone(),
        };
        serde_json::to_vec(&wire).expect("a struct of numbers and strings always serialises")
    }

    /// Reads an event as it came from Kafka. Unknown fields are ignored, an unknown `v` is not.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Format {
            v: u64,
        }
        // First the format alone, since a newer one may differ in everything else.
        let Format { v } = serde_json::from_slice(bytes)?;
        if v != FORMAT {
            return Err(DecodeError::UnknownFormat(v));
        }
        let wire: Wire = serde_json::from_slice(bytes)?;
        let status = || match wire.status {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(DecodeError::Incomplete("status must be 0 or 1")),
        };
        let change = match wire.r#type {
            Type::Like => Change::Like(status()?),
            Type::Collect => Change::Collect(status()?),
            Type::Read => Change::Read(wire.reads.ok_or(DecodeError::Incomplete(READS))?),
        };
        Self {
            version: wire.version,
            user: wire.user_id,
            article: wire.article_id,
            change,
            cause: wire.cause,
            occurred_at: wire.occurred_at,
            request_id: wire.request_id,
            ip_hash: wire.ip_hash,
        }
        .checked()
    }

    /// What holds of every event wherever it was read, so that the consumer takes all that the relay ships.
    pub(crate) fn checked(self) -> Result<Self, DecodeError> {
        match self.change {
            Change::Read(reads) if i64::try_from(reads).is_err() => Err(DecodeError::Incomplete(READS)),
            Change::Like(_) | Change::Collect(_) if self.user.is_none() => {
                Err(DecodeError::Incomplete("only a read may have no user_id"))
            }
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_event() -> impl Strategy<Value = Event> {
        let change = prop_oneof![
            any::<bool>().prop_map(Change::Like),
            any::<bool>().prop_map(Change::Collect),
            (0..=i64::MAX as u64).prop_map(Change::Read),
        ];
        let cause = prop_oneof![Just(Cause::User), Just(Cause::Revoke), Just(Cause::Erase), Just(Cause::Reconcile)];
        let numbers = (1..=i64::MAX, 1..=i64::MAX, 0..=i64::MAX as u64, 0..=i64::MAX as u64);
        (numbers, change, cause, 0..4_000_000_000_000_i64, "\\PC{0,40}", "[0-9a-f]{0,32}").prop_map(
            |((user, article, ms, seq), change, cause, at, request_id, ip_hash)| Event {
                version: Version { ms, seq },
                user: Some(user.try_into().expect("positive")),
                article: article.try_into().expect("positive"),
                change,
                cause,
                occurred_at: Timestamp::from_millisecond(at).expect("in range"),
                request_id,
                ip_hash,
            },
        )
    }

    proptest! {
        #[test]
        fn json_and_back_is_the_same_event(event in any_event()) {
            prop_assert_eq!(Event::from_json(&event.to_json()).expect("reads what it wrote"), event);
        }

        #[test]
        fn any_bytes_are_an_event_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Event::from_json(&bytes);
        }
    }

    #[test]
    fn the_json_is_the_contracts() {
        let event = Event {
            version: "1763800000000-3".parse().expect("a version"),
            user: Some("7".parse().expect("an id")),
            article: "42".parse().expect("an id"),
            change: Change::Like(true),
            cause: Cause::User,
            occurred_at: "2026-11-22T12:00:00.123Z".parse().expect("a time"),
            request_id: "r".to_owned(),
            ip_hash: "h".to_owned(),
        };
        assert_eq!(
            String::from_utf8(event.to_json()).expect("UTF-8"),
            r#"{"v":1,"version":"1763800000000-3","type":"like","user_id":"7","article_id":"42","status":1,"#
                .to_owned()
                + r#""cause":"user","occurred_at":"2026-11-22T12:00:00.123Z","request_id":"r","ip_hash":"h"}"#
        );
    }

    #[test]
    fn what_cannot_be_applied_says_why() {
        let base = r#""version":"1-0","article_id":"1","cause":"user","occurred_at":"2026-01-01T00:00:00Z""#;
        for (json, reason) in [
            ("nonsense".to_owned(), "malformed event"),
            (r#"{"v":2,"all":"new"}"#.to_owned(), "unknown event format v=2"),
            (format!(r#"{{"v":1,"type":"like","user_id":"1",{base}}}"#), "status must be 0 or 1"),
            (format!(r#"{{"v":1,"type":"like","user_id":"1","status":2,{base}}}"#), "status must be 0 or 1"),
            (format!(r#"{{"v":1,"type":"like","user_id":null,"status":1,{base}}}"#), "only a read may have no user_id"),
            (format!(r#"{{"v":1,"type":"like","user_id":"0","status":1,{base}}}"#), "an id is an integer"),
            (format!(r#"{{"v":1,"type":"read","user_id":null,{base}}}"#), "a read needs the article's reads"),
            (format!(r#"{{"v":1,"type":"share","user_id":"1",{base}}}"#), "unknown variant"),
        ] {
            let error = Event::from_json(json.as_bytes()).expect_err(&json).to_string();
            assert!(error.contains(reason), "{json}: {error}");
        }
        let more = format!(r#"{{"v":1,"type":"like","user_id":"1","status":1,"new":[],{base}}}"#);
        assert!(Event::from_json(more.as_bytes()).is_ok(), "unknown fields are ignored");
    }
}
