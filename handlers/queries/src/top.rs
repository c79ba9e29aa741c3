//! The articles of which a counter gained most lately, by the ranking that the persister's job `trends` writes every
//! few seconds.

use contract::{ArticleId, Counter};
use handler_common::{
    Call, Problem, Reply,
    mysql::{self, text},
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use spin_sdk::mysql::ParameterValue;

use crate::{
    lists::{limit, rfc_3339},
    parameters::{WINDOW, Window},
    settings::Settings,
};

#[derive(Serialize)]
struct Top {
    window: &'static str,
    /// Everything up to this time is counted. `None` if there never was a ranking.
    as_of: Option<String>,
    items: Vec<Gained>,
}

struct Gained {
    counter: Counter,
    article: ArticleId,
    count: i64,
}

impl Serialize for Gained {
    /// Written by hand, because the counter names the field.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(Some(2))?;
        fields.serialize_entry("article_id", &self.article)?;
        fields.serialize_entry(self.counter.name(), &self.count)?;
        fields.end()
    }
}

/// The answer is one row, because each row costs a call of Spin. The longest text has 100 ids and numbers: 14,900
/// characters. An article whose name the consumer has not written yet is left out.
const SQL: &str = concat!(
    "SELECT COALESCE((SELECT CAST(GROUP_CONCAT(CONCAT_WS(',', COALESCE(n.text, r.article_id), r.gained)
                                                ORDER BY r.place) AS CHAR(16000))
                      FROM ranking r LEFT JOIN name n ON n.kind = 'article' AND n.number = r.article_id
                      WHERE r.span = ? AND r.kind = ? AND r.place <= ?
                          AND (r.article_id < 4611686018427387904 OR n.text IS NOT NULL)), '') AS items,
            COALESCE((SELECT ",
    rfc_3339!("MAX(as_of)"),
    " FROM trends), '') AS as_of"
);

/// `GET /v1/top/{counter}`
pub(crate) async fn top(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let counter = call.path().split('/').nth(3).and_then(Counter::from_name).ok_or(Problem::NotFound)?;
    call.user()?;
    let Window(window) = call.query("window", WINDOW)?.unwrap_or(Window("hour"));
    let limit = limit(call)?;
    let parameters = |_| {
        vec![
            ParameterValue::Str(window.to_owned()),
            ParameterValue::Uint8(counter.code()),
            ParameterValue::Int64(limit),
        ]
    };
    let rows = mysql::query(&settings.mysql_url, call.deadline, SQL, &parameters).await?;
    let row = rows.first().ok_or(Problem::StoreUnavailable)?;
    let items = gained(counter, &text(row, "items")?).ok_or(Problem::StoreUnavailable)?;
    let as_of = Some(text(row, "as_of")?).filter(|as_of| !as_of.is_empty());
    Ok(Reply::json(&Top { window, as_of, items }))
}

/// Reads an id and a number for each article.
fn gained(counter: Counter, text: &str) -> Option<Vec<Gained>> {
    let words: Vec<&str> = text.split(',').filter(|_| !text.is_empty()).collect();
    let (articles, []) = words.as_chunks() else { return None };
    let one = |&[article, count]: &[&str; 2]| {
        Some(Gained { counter, article: article.parse().ok()?, count: count.parse().ok()? })
    };
    articles.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_is_an_id_and_a_number_for_each_article() {
        for counter in Counter::all() {
            let read = |text| gained(counter, text).map(|all| serde_json::to_string(&all).expect("it serialises"));
            let count = counter.name();
            assert_eq!(
                read("42,17,auth0|x,1"),
                Some(format!(r#"[{{"article_id":"42","{count}":17}},{{"article_id":"auth0|x","{count}":1}}]"#))
            );
            assert_eq!(read("").as_deref(), Some("[]"));
            for bad in ["42", "42,17,", "a b,1", "x,y", "42,17,43"] {
                assert_eq!(read(bad), None, "{bad}");
            }
        }
    }
}
