use std::collections::HashMap;

use jiff::Timestamp;

use crate::{DecodeError, Event, Fields, Version};

/// An entry of a partition's outbox stream, as `lua/include/event.lua` appends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The entry's stream id, which becomes the event's version.
    pub id: Version,
    /// The values of its event, by their names.
    pub fields: HashMap<String, String>,
}

impl OutboxEntry {
    /// The one field of an entry in Redis: the event's values, a space between them. Names of their own would be written to
    /// the stream's log with every event.
    pub const EVENT: &str = "event";

    /// The values, in the order in which the scripts write them.
    pub const FIELDS: [&str; 9] =
        ["type", "user_id", "article_id", "status", "reads", "cause", "at", "request_id", "ip_hash"];

    /// The entry as it stands in Redis. Fields that are no event's stay as they are.
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

    /// What an entry's field holds for these values, in the order of [`Self::FIELDS`].
    #[must_use]
    pub fn event_of(values: [&str; 9]) -> String {
        values.join(" ")
    }

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
