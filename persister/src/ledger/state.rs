//! The whole state, row by row, as of one statement.

use contract::{ArticleId, ArticleNumber, Kind, UserId, UserNumber};
use futures::TryStreamExt as _;
use sqlx::{MySqlPool, query_as, query_scalar};

use super::clock::rfc_3339;

/// The approximate number of rows.
pub(crate) async fn size(mysql: &MySqlPool, of_counters: bool) -> anyhow::Result<u64> {
    let sql = if of_counters {
        "SELECT COUNT(*) FROM article_stats"
    } else {
        "SELECT CAST(COALESCE(SUM(count), 0) AS SIGNED) FROM interaction_count"
    };
    let rows: i64 = query_scalar(sql).fetch_one(mysql).await?;
    Ok(rows.unsigned_abs())
}

/// Calls `take` with the kind, user id, article id and time of every pair that is on.
pub(crate) async fn interactions(
    mysql: &MySqlPool,
    take: &mut impl FnMut(&str, &str, &str, &str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut rows = query_as::<_, (u8, i64, Option<String>, i64, Option<String>, String)>(concat!(
        "SELECT i.kind, i.user_id, u.text, i.article_id, a.text, ",
        rfc_3339!("i.updated_at"),
        " FROM interaction i
          LEFT JOIN name u ON u.kind = 'user' AND u.number = i.user_id
          LEFT JOIN name a ON a.kind = 'article' AND a.number = i.article_id
          WHERE i.status = 1"
    ))
    .fetch(mysql);
    while let Some((kind, user, user_name, article, article_name, at)) = rows.try_next().await? {
        // Skip kinds of a newer release.
        let Some(kind) = Kind::from_code(kind) else { continue };
        let user = UserId::stored(UserNumber::try_from(user)?, user_name.as_deref());
        take(kind.name(), &user.to_string(), &article_id(article, article_name.as_deref())?, &at)?;
    }
    Ok(())
}

/// Calls `take` with each article id and its page views, visitors and reads, as of the last snapshot.
pub(crate) async fn counters(
    mysql: &MySqlPool,
    take: &mut impl FnMut(&str, [&str; 3]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut rows = query_as::<_, (i64, Option<String>, i64, i64, i64)>(
        "SELECT s.article_id, a.text, s.pv, s.uv, s.read_count
         FROM article_stats s LEFT JOIN name a ON a.kind = 'article' AND a.number = s.article_id",
    )
    .fetch(mysql);
    while let Some((article, name, pv, uv, reads)) = rows.try_next().await? {
        let [pv, uv, reads] = [pv, uv, reads].map(|count| count.to_string());
        take(&article_id(article, name.as_deref())?, [&pv, &uv, &reads])?;
    }
    Ok(())
}

fn article_id(number: i64, name: Option<&str>) -> anyhow::Result<String> {
    Ok(ArticleId::stored(ArticleNumber::try_from(number)?, name).to_string())
}
