use std::collections::HashMap;

use jiff::Timestamp;

use crate::{DecodeError, Event, Fields, Version};

/// An entry of a partition's outbox stream, as `lua/include/event.lua` appends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The entry's stream id, which becomes the event's version.
    pub id: Version,
    /// The values of the event, by name.
    pub fields: HashMap<String, String>,
}

impl OutboxEntry {
    /// The only field of an entry in Redis: the event's values, separated by spaces. Separate fields would add their
    /// names to every entry.
    pub const EVENT: &str = "event";

    /// The values, in the order in which the scripts write them.
    pub const FIELDS: [&str; 9] =
        ["type", "user_id", "article_id", "status", "reads", "cause", "at", "request_id", "ip_hash"];

    /// An entry as it is in Redis. Unknown fields are kept.
    #[must_use]
    pub fn of_stream(id: Version, fields: HashMap<String, String>) -> Self {
        let values = fields.get(Self::EVENT).filter(|_| fields.len() == 1).map(|event| event.split(' '));
        match values {
            Some(values) if values.clone().count() == Self::FIELDS.len() => {
                let named = Self::FIELDS.into_iter().zip(values);
                Self { id, fields: named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
            }
            _ => Self { id, fields },
        }
    }

    /// The content of the field for these values, in the order of [`Self::FIELDS`].
    #[must_use]
    pub fn event_of(values: [&str; 9]) -> String {
        values.join(" ")
    }

    /// The fields as a JSON object, for an entry in the dead-letter queue that is no event.
    #[must_use]
    pub fn fields_to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.fields).expect("a map of strings always serialises")
    }

    /// The entry with that id whose fields are in the dead-letter queue.
    pub fn from_json(id: Version, fields: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { id, fields: serde_json::from_slice(fields)? })
    }

    /// The event of the entry.
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
