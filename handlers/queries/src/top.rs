//! The articles that gained most likes lately: the ranking that the persister's job `trends` writes every few seconds.

use contract::ArticleId;
use handler_common::{
    Call, Problem, Reply,
    mysql::{self, integers, text},
};
use serde::Serialize;
use spin_sdk::mysql::ParameterValue;

use crate::{
    Settings,
    lists::{limit, rfc_3339},
    parameters::{WINDOW, Window},
};

#[derive(Serialize)]
struct Top {
    window: &'static str,
    /// `None` if there never was a ranking.
    as_of: Option<String>,
    items: Vec<Gained>,
}

#[derive(Serialize)]
struct Gained {
    article_id: ArticleId,
    likes: i64,
}

/// All in one row, since Spin hands over each at the price of a call. The longest text is 4,000 bytes.
const SQL: &str = concat!(
    "SELECT COALESCE((SELECT CAST(GROUP_CONCAT(CONCAT_WS(',', article_id, likes) ORDER BY place) AS CHAR(16000))
                      FROM top_liked WHERE span = ? AND place <= ?), '') AS items,
            COALESCE((SELECT ",
    rfc_3339!("as_of"),
    " FROM trends), '') AS as_of"
);

/// `GET /v1/top/likes`
pub(crate) async fn likes(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    call.user()?;
    let Window(window) = call.query("window", WINDOW)?.unwrap_or(Window("hour"));
    let limit = limit(call)?;
    let parameters = |_| vec![ParameterValue::Str(window.to_owned()), ParameterValue::Int64(limit)];
    let rows = mysql::query(&settings.mysql_url, call.deadline, SQL, &parameters).await?;
    let row = rows.first().ok_or(Problem::StoreUnavailable)?;
    let items = gained(&text(row, "items")?).ok_or(Problem::StoreUnavailable)?;
    let as_of = Some(text(row, "as_of")?).filter(|as_of| !as_of.is_empty());
    Ok(Reply::json(&Top { window, as_of, items }))
}

/// Reads two numbers an article.
fn gained(text: &str) -> Option<Vec<Gained>> {
    let numbers = integers(text)?;
    let (articles, []) = numbers.as_chunks() else { return None };
    let one = |&[article, likes]: &[i64; 2]| Some(Gained { article_id: article.try_into().ok()?, likes });
    articles.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_is_two_numbers_an_article() {
        let read =
            |text| gained(text).map(|all| all.iter().map(|of| (of.article_id.get(), of.likes)).collect::<Vec<_>>());
        assert_eq!(read("42,17,9223372036854775807,1"), Some(vec![(42, 17), (i64::MAX, 1)]));
        assert_eq!(read(""), Some(vec![]));
        for bad in ["42", "42,17,", "0,1", "x,1", "42,17,43"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
