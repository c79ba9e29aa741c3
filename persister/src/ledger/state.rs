//! The whole state, table by table and row by row, each as of one statement.

use contract::{ArticleId, ArticleNumber, Counter, Kind, UserId, UserNumber};
use futures::TryStreamExt as _;
use sqlx::{MySqlPool, query_as, query_scalar};

use super::clock::rfc_3339;

/// A part of the state.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Interactions,
    Counters,
    Bars,
    History,
}

impl Part {
    /// The approximate number of rows.
    pub(crate) async fn size(self, mysql: &MySqlPool) -> anyhow::Result<u64> {
        let sql = match self {
            Self::Interactions => "SELECT CAST(COALESCE(SUM(count), 0) AS SIGNED) FROM interaction_count",
            Self::Counters => "SELECT COUNT(*) FROM article_stats",
            Self::Bars => "SELECT COUNT(*) FROM user_bar",
            Self::History => "SELECT COUNT(*) FROM history",
        };
        let rows: i64 = query_scalar(sql).fetch_one(mysql).await?;
        Ok(rows.unsigned_abs())
    }
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

/// Calls `take` with the user id, time and reason of every bar.
pub(crate) async fn bars(
    mysql: &MySqlPool,
    take: &mut impl FnMut(&str, &str, &str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut rows = query_as::<_, (i64, Option<String>, String, String)>(concat!(
        "SELECT b.user_id, u.text, ",
        rfc_3339!("b.at"),
        ", b.reason FROM user_bar b LEFT JOIN name u ON u.kind = 'user' AND u.number = b.user_id"
    ))
    .fetch(mysql);
    while let Some((user, name, at, reason)) = rows.try_next().await? {
        let user = UserId::stored(UserNumber::try_from(user)?, name.as_deref());
        take(&user.to_string(), &at, &reason)?;
    }
    Ok(())
}

/// Calls `take` with each article id, day and counter that changed on the day, and with how often it was raised and lowered.
pub(crate) async fn history(
    mysql: &MySqlPool,
    take: &mut impl FnMut(&str, &str, &str, [&str; 2]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut rows = query_as::<_, (i64, Option<String>, String, u8, i64, i64)>(
        "SELECT h.article_id, a.text, CAST(h.day AS CHAR), h.counter, h.gained, h.lost
         FROM history h LEFT JOIN name a ON a.kind = 'article' AND a.number = h.article_id",
    )
    .fetch(mysql);
    while let Some((article, name, day, counter, gained, lost)) = rows.try_next().await? {
        // Skip counters of a newer release.
        let Some(counter) = Counter::from_code(counter) else { continue };
        let [gained, lost] = [gained, lost].map(|count| count.to_string());
        take(&article_id(article, name.as_deref())?, &day, counter.name(), [&gained, &lost])?;
    }
    Ok(())
}

fn article_id(number: i64, name: Option<&str>) -> anyhow::Result<String> {
    Ok(ArticleId::stored(ArticleNumber::try_from(number)?, name).to_string())
}
