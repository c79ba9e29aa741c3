//! What is answered. By hand, since the kinds name the fields.

use contract::{ArticleId, Kind, scripts::Queried};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// An article's counters, and what the caller has on.
pub(super) struct Interactions {
    pub(super) article: ArticleId,
    pub(super) counters: Queried,
    /// Whether the counters come from MySQL and may be a moment old, since Redis does not answer.
    pub(super) stale: bool,
}

impl Serialize for Interactions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Queried { pv, uv, reads, kinds } = &self.counters;
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("article_id", &self.article)?;
        for (kind, (count, _)) in Kind::ALL.iter().zip(kinds) {
            fields.serialize_entry(kind.count(), count)?;
        }
        for (name, count) in [("pv", pv), ("uv", uv), ("reads", reads)] {
            fields.serialize_entry(name, count)?;
        }
        // Null for an anonymous caller.
        for (kind, (_, on)) in Kind::ALL.iter().zip(kinds) {
            fields.serialize_entry(kind.on(), on)?;
        }
        fields.serialize_entry("stale", &self.stale)?;
        fields.end()
    }
}

#[derive(Serialize)]
pub(super) struct Batch {
    pub(super) items: Vec<Interactions>,
}

/// The sums over articles. Not of visitors: one may have seen several.
pub(super) struct Totals<'a>(&'a [Interactions]);

impl<'a> Totals<'a> {
    pub(super) fn of(articles: &'a [Interactions]) -> Self {
        Self(articles)
    }
}

impl Serialize for Totals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sum = |of: &dyn Fn(&Queried) -> i64| self.0.iter().map(|article| of(&article.counters)).sum::<i64>();
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("articles", &self.0.len())?;
        for (place, kind) in Kind::ALL.iter().enumerate() {
            let count = |counters: &Queried| counters.kinds.get(place).map_or(0, |(count, _)| *count);
            fields.serialize_entry(kind.count(), &sum(&count))?;
        }
        fields.serialize_entry("pv", &sum(&|counters| counters.pv))?;
        fields.serialize_entry("reads", &sum(&|counters| counters.reads))?;
        fields.serialize_entry("stale", &self.0.iter().any(|article| article.stale))?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn article(id: i64, on: Option<bool>, stale: bool) -> Interactions {
        let kinds = (1..).zip(Kind::ALL).map(|(place, _)| (10 * place + id, on)).collect();
        let counters = Queried { pv: 9, uv: 3, reads: 2, kinds };
        Interactions { article: id.to_string().parse().expect("an id"), counters, stale }
    }

    fn json(body: &impl Serialize) -> String {
        serde_json::to_string(body).expect("it serialises")
    }

    /// The fields of all kinds, in the table's order.
    fn each(field: impl Fn(i64, Kind) -> String) -> String {
        (1..).zip(Kind::ALL).map(|(place, kind)| field(place, *kind)).collect()
    }

    #[test]
    fn an_article_has_each_kinds_fields_in_the_tables_order() {
        for on in [None, Some(true), Some(false)] {
            let said = on.map_or("null".to_owned(), |on| on.to_string());
            let counts = each(|place, kind| format!("\"{}\":{},", kind.count(), 10 * place + 1));
            let flags = each(|_, kind| format!("\"{}\":{said},", kind.on()));
            assert_eq!(
                json(&article(1, on, true)),
                format!(r#"{{"article_id":"1",{counts}"pv":9,"uv":3,"reads":2,{flags}"stale":true}}"#)
            );
        }
    }

    #[test]
    fn totals_are_the_sums() {
        let counts = each(|place, kind| format!("\"{}\":{},", kind.count(), 20 * place + 3));
        let both = [article(1, None, false), article(2, None, true)];
        assert_eq!(json(&Totals::of(&both)), format!(r#"{{"articles":2,{counts}"pv":18,"reads":4,"stale":true}}"#));
        assert!(json(&Totals::of(&both[..1])).ends_with(r#""stale":false}"#));
    }
}
