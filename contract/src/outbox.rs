use std::collections::HashMap;

use jiff::Timestamp;

use crate::{Cause, Change, DecodeError, Event, Version};

/// An entry of a partition's outbox stream, as `lua/include/event.lua` appends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The entry's stream id, which becomes the event's version.
    pub id: Version,
    /// Field names and values.
    pub fields: HashMap<String, String>,
}

impl OutboxEntry {
    /// The fields, in the order in which the scripts write them.
    pub const FIELDS: [&str; 9] =
        ["type", "user_id", "article_id", "status", "reads", "cause", "at", "request_id", "ip_hash"];

    /// The fields as a JSON object: how an entry that is no event stands in the dead-letter queue.
    #[must_use]
    pub fn fields_to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.fields).expect("a map of strings always serialises")
    }

    /// The entry of that id whose fields stand in the dead-letter queue.
    pub fn from_json(id: Version, fields: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { id, fields: serde_json::from_slice(fields)? })
    }

    /// The event that the entry stands for.
    pub fn to_event(&self) -> Result<Event, DecodeError> {
        let field = |name: &'static str| self.fields.get(name).map_or("", String::as_str);
        let on = || match field("status") {
            "0" => Ok(false),
            "1" => Ok(true),
            _ => Err(DecodeError::Incomplete("outbox entry: status must be 0 or 1")),
        };
        let change = match field("type") {
            "like" => Change::Like(on()?),
            "read" => Change::Read(
                field("reads").parse().map_err(|_| DecodeError::Incomplete("outbox entry: reads is no number"))?,
            ),
            _ => return Err(DecodeError::Incomplete("outbox entry: unknown type")),
        };
        let user = match field("user_id") {
            "" => None,
            id => Some(id.parse().map_err(|_| DecodeError::Incomplete("outbox entry: user_id is no id"))?),
        };
        let cause = match field("cause") {
            "user" => Cause::User,
            "revoke" => Cause::Revoke,
            "erase" => Cause::Erase,
            "reconcile" => Cause::Reconcile,
            _ => return Err(DecodeError::Incomplete("outbox entry: unknown cause")),
        };
        let at = field("at").parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Event {
            version: self.id,
            user,
            article: field("article_id")
                .parse()
                .map_err(|_| DecodeError::Incomplete("outbox entry: article_id is no id"))?,
            change,
            cause,
            occurred_at: at.ok_or(DecodeError::Incomplete("outbox entry: at is no time"))?,
            request_id: field("request_id").to_owned(),
            ip_hash: field("ip_hash").to_owned(),
        }
        .checked()
    }
}
