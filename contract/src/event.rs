use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ArticleId, Kind, UserId, Version};

/// The format of the events that this release writes and reads.
const FORMAT: u64 = 1;

/// The `type` of a read. Every other `type` is the name of a kind.
const READ: &str = "read";

/// What happened to an article, as Kafka holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Orders the changes of one kind, user and article.
    pub version: Version,
    /// The user. `None` for a visitor who is not signed in.
    pub user: Option<UserId>,
    /// The article.
    pub article: ArticleId,
    /// What changed, and to what.
    pub change: Change,
    /// Why it changed.
    pub cause: Cause,
    /// When it happened, by the store's clock, in milliseconds.
    pub occurred_at: Timestamp,
    /// The request that caused it.
    pub request_id: String,
    /// A keyed hash of the client's address. Empty if there was no client.
    pub ip_hash: String,
}

/// The state after the change, so that applying it again changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The kind is now on or off for the user. If the kind's truth is MySQL, MySQL had the change before Kafka.
    Switch(Kind, bool),
    /// The article has been read that many times.
    Read(u64),
}

/// What caused a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The user's own request.
    User,
    /// Trust and safety revoked the change.
    Revoke,
    /// The user was erased.
    Erase,
    /// A repair of a difference between the stores.
    Reconcile,
}

/// Why bytes are not an event. The dead-letter queue has the text as its reason.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON of the event's shape, or a value out of its range.
    #[error("malformed event: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by a newer release.
    #[error("unknown event format v={0}, this release reads v={FORMAT}")]
    UnknownFormat(u64),
    /// A field that this type of event requires is missing or makes no sense.
    #[error("{0}")]
    Incomplete(&'static str),
}

/// The fields of an event before it is known to be one: the JSON in Kafka, an entry of an outbox in Redis, or a row of
/// MySQL's outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fields<'a> {
    /// The event's version.
    pub version: Version,
    /// A kind's name or `read`.
    #[serde(borrow)]
    pub r#type: Cow<'a, str>,
    /// A user's id, or none.
    #[serde(borrow)]
    pub user_id: Option<Cow<'a, str>>,
    /// An article's id.
    #[serde(borrow)]
    pub article_id: Cow<'a, str>,
    /// For a kind: 1 for on, 0 for off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i64>,
    /// For a read: the article's reads after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<u64>,
    /// One of [`Cause`]'s words.
    #[serde(borrow)]
    pub cause: Cow<'a, str>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The request that caused it.
    #[serde(borrow, default)]
    pub request_id: Cow<'a, str>,
    /// A keyed hash of the client's address.
    #[serde(borrow, default)]
    pub ip_hash: Cow<'a, str>,
}

impl Cause {
    /// The word in events.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Revoke => "revoke",
            Self::Erase => "erase",
            Self::Reconcile => "reconcile",
        }
    }
}

impl TryFrom<Fields<'_>> for Event {
    type Error = DecodeError;

    /// The only place that reads an event, so every part of the service accepts the same events.
    fn try_from(fields: Fields<'_>) -> Result<Self, DecodeError> {
        let incomplete = |reason| move || DecodeError::Incomplete(reason);
        let change = if fields.r#type == READ {
            let reads = fields.reads.filter(|reads| i64::try_from(*reads).is_ok());
            Change::Read(reads.ok_or_else(incomplete("a read needs the article's reads after it, below 2^63"))?)
        } else {
            let kind = fields.r#type.parse().map_err(|_| DecodeError::Incomplete("type is no kind of this release"))?;
            match fields.status {
                Some(0) => Change::Switch(kind, false),
                Some(1) => Change::Switch(kind, true),
                _ => return Err(DecodeError::Incomplete("status must be 0 or 1")),
            }
        };
        let user = fields.user_id.map(|id| UserId::read(&id)).transpose();
        let user = user.map_err(|_| DecodeError::Incomplete("user_id is no id"))?;
        if user.is_none() && matches!(change, Change::Switch(..)) {
            return Err(DecodeError::Incomplete("only a read may have no user_id"));
        }
        let causes = [Cause::User, Cause::Revoke, Cause::Erase, Cause::Reconcile];
        let cause = causes.into_iter().find(|cause| cause.word() == fields.cause);
        Ok(Self {
            version: fields.version,
            user,
            article: ArticleId::read(&fields.article_id).map_err(|_| DecodeError::Incomplete("article_id is no id"))?,
            change,
            cause: cause.ok_or_else(incomplete("unknown cause"))?,
            occurred_at: fields.occurred_at,
            request_id: fields.request_id.into_owned(),
            ip_hash: fields.ip_hash.into_owned(),
        })
    }
}

/// The JSON in Kafka: the format, then the fields.
#[derive(Serialize)]
struct Wire<'a> {
    v: u64,
    #[serde(flatten)]
    fields: Fields<'a>,
}

impl Event {
    /// The event as the JSON that goes to Kafka.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let (r#type, status, reads) = match self.change {
            Change::Switch(kind, on) => (kind.name(), Some(i64::from(on)), None),
            Change::Read(reads) => (READ, None, Some(reads)),
        };
        let fields = Fields {
            version: self.version,
            r#type: r#type.into(),
            user_id: self.user.as_ref().map(|user| user.to_string().into()),
            article_id: self.article.to_string().into(),
            status,
            reads,
            cause: self.cause.word().into(),
            occurred_at: self.occurred_at,
            request_id: self.request_id.as_str().into(),
            ip_hash: self.ip_hash.as_str().into(),
        };
        serde_json::to_vec(&Wire { v: FORMAT, fields }).expect("a struct of numbers and strings always serialises")
    }

    /// Reads an event from Kafka. Unknown fields are ignored. An unknown `v` is an error.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Format {
            v: u64,
        }
        // Read only the format first: in a newer format everything else may differ.
        let Format { v } = serde_json::from_slice(bytes)?;
        if v != FORMAT {
            return Err(DecodeError::UnknownFormat(v));
        }
        serde_json::from_slice::<Fields<'_>>(bytes)?.try_into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};

    use super::*;

    fn any_event() -> impl Strategy<Value = Event> {
        let change = prop_oneof![
            (select(Kind::ALL), any::<bool>()).prop_map(|(kind, on)| Change::Switch(kind, on)),
            (0..=i64::MAX as u64).prop_map(Change::Read),
        ];
        let cause = prop_oneof![Just(Cause::User), Just(Cause::Revoke), Just(Cause::Erase), Just(Cause::Reconcile)];
        let id = || "[1-9][0-9]{0,18}|[A-Za-z0-9._~:|@+=-]{1,128}";
        let numbers = (id(), id(), 0..=i64::MAX as u64, 0..=i64::MAX as u64);
        (numbers, change, cause, 0..4_000_000_000_000_i64, "\\PC{0,40}", "[0-9a-f]{0,32}").prop_map(
            |((user, article, ms, seq), change, cause, at, request_id, ip_hash)| Event {
                version: Version { ms, seq },
                user: Some(user.parse().expect("an id")),
                article: article.parse().expect("an id"),
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
            change: Change::Switch(Kind::Like, true),
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
            (format!(r#"{{"v":1,"type":"like","user_id":"a b","status":1,{base}}}"#), "user_id is no id"),
            (format!(r#"{{"v":1,"type":"read","user_id":null,{base}}}"#), "a read needs the article's reads"),
            (format!(r#"{{"v":1,"type":"share","user_id":"1",{base}}}"#), "type is no kind"),
        ] {
            let error = Event::from_json(json.as_bytes()).expect_err(&json).to_string();
            assert!(error.contains(reason), "{json}: {error}");
        }
        let more = format!(r#"{{"v":1,"type":"like","user_id":"1","status":1,"new":[],{base}}}"#);
        assert!(Event::from_json(more.as_bytes()).is_ok(), "unknown fields are ignored");
    }
}
