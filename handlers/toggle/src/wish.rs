use contract::{ArticleId, Kind, UserId, scripts::Limit};
use handler_common::Clients;
use serde::{Serialize, Serializer, ser::SerializeMap};

/// The settings, which come from the component's variables.
pub(crate) struct Settings {
    pub(crate) redis_url: String,
    pub(crate) mysql_url: String,
    pub(crate) clients: Clients,
    pub(crate) outbox_max: u64,
    /// The limits of the user and of the client's address.
    pub(crate) limits: [Limit; 2],
}

/// The change that the caller wants.
pub(crate) struct Wish {
    pub(crate) kind: Kind,
    pub(crate) article: ArticleId,
    pub(crate) user: UserId,
    pub(crate) on: bool,
    pub(crate) ip_hash: String,
}

/// The state after the change.
pub(crate) struct Switched<'a> {
    pub(crate) kind: Kind,
    pub(crate) article: &'a ArticleId,
    pub(crate) on: bool,
    pub(crate) count: i64,
}

impl Serialize for Switched<'_> {
    /// Written by hand, because the kind names the fields.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(Some(3))?;
        fields.serialize_entry("article_id", self.article)?;
        fields.serialize_entry(self.kind.on(), &self.on)?;
        fields.serialize_entry(self.kind.count(), &self.count)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_kinds_fields() {
        let article = "42".parse().expect("an id");
        for kind in Kind::ALL.iter().copied() {
            let answer = Switched { kind, article: &article, on: true, count: 7 };
            assert_eq!(
                serde_json::to_string(&answer).expect("it serialises"),
                format!(r#"{{"article_id":"42","{}":true,"{}":7}}"#, kind.on(), kind.count())
            );
        }
    }
}
