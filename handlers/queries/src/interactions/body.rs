//! The bodies of answers. They are written by hand, because the kinds name the fields.

use contract::{ArticleId, Kind, scripts::Queried};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// An article's counters, and which kinds the caller has on.
pub(super) struct Interactions {
    pub(super) article: ArticleId,
    pub(super) counters: Queried,
    /// Whether the counters come from MySQL, because Redis does not answer. They may then be a moment old.
    pub(super) stale: bool,
}

impl Interactions {
    /// Returns the JSON. serde is not used: it takes as long as everything else that a component does for twenty
    /// articles.
    pub(super) fn to_json(&self) -> String {
        let mut json = String::new();
        self.write(&mut json);
        json
    }

    fn write(&self, to: &mut String) {
        let Queried { pv, uv, reads, kinds } = &self.counters;
        // No character of an id needs an escape.
        to.extend(["{\"article_id\":\"", &self.article.text(), "\""]);
        for (kind, (count, _)) in Kind::ALL.iter().zip(kinds) {
            write_number(to, kind.count(), *count);
        }
        for (name, count) in [("pv", pv), ("uv", uv), ("reads", reads)] {
            write_number(to, name, *count);
        }
        for (kind, (_, on)) in Kind::ALL.iter().zip(kinds) {
            // Null for an anonymous caller.
            to.extend([",\"", kind.on(), "\":", on.map_or("null", text)]);
        }
        to.extend([",\"stale\":", text(self.stale), "}"]);
    }
}

fn text(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

fn write_number(to: &mut String, name: &str, number: i64) {
    let mut digits = itoa::Buffer::new();
    // Wasm cannot multiply 64-bit numbers to 128 bits, which formatting a long number requires.
    let number = match u32::try_from(number) {
        Ok(short) => digits.format(short),
        Err(_) => digits.format(number),
    };
    to.extend([",\"", name, "\":", number]);
}

/// Returns the answer about several articles, as JSON.
pub(super) fn batch(items: &[Interactions]) -> String {
    let mut json = "{\"items\":[".to_owned();
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            json.push(',');
        }
        item.write(&mut json);
    }
    json + "]}"
}

/// The sums over articles. Visitors are not summed, because one visitor may have seen several articles.
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
        let mut place = 0;
        let kinds = [(); Kind::COUNT].map(|()| {
            place += 10;
            (place + id, on)
        });
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
                article(1, on, true).to_json(),
                format!(r#"{{"article_id":"1",{counts}"pv":9,"uv":3,"reads":2,{flags}"stale":true}}"#)
            );
        }
    }

    #[test]
    fn a_batch_is_the_same_of_each() {
        let all = [article(1, None, false), article(2, Some(true), true)];
        assert_eq!(batch(&all), format!(r#"{{"items":[{},{}]}}"#, all[0].to_json(), all[1].to_json()));
        assert_eq!(batch(&[]), r#"{"items":[]}"#);
        let large = Interactions { counters: Queried { pv: i64::MAX, ..all[0].counters }, ..article(1, None, false) };
        assert!(large.to_json().contains(&format!(r#""pv":{},"uv":3"#, i64::MAX)));
    }

    #[test]
    fn totals_are_the_sums() {
        let counts = each(|place, kind| format!("\"{}\":{},", kind.count(), 20 * place + 3));
        let both = [article(1, None, false), article(2, None, true)];
        assert_eq!(json(&Totals::of(&both)), format!(r#"{{"articles":2,{counts}"pv":18,"reads":4,"stale":true}}"#));
        assert!(json(&Totals::of(&both[..1])).ends_with(r#""stale":false}"#));
    }
}
