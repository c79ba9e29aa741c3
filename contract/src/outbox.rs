use std::collections::HashMap;

use jiff::Timestamp;

use crate::{DecodeError, Event, Fields, Version};

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
        let at = field("at").parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let fields = Fields {
            version: self.id,
            r#type: field("type").into(),
            user_id: Some(field("user_id")).filter(|id| !id.is_empty()).map(Into::into),
            article_id: field("article_id").into(),
            status: field("status").parse().ok(),
            reads: field("reads").parse().ok(),
            cause: field("cause").into(),
            occurred_at: at.ok_or(DecodeError::Incomplete("at is no time"))?,
            request_id: field("request_id").into(),
            ip_hash: field("ip_hash").into(),
        };
        fields.try_into()
    }
}
