//! Lists, newest first, from MySQL: what was acknowledged a moment ago may take until the consumer has applied it.
//!
//! A cursor is the place of the last item in the order of the index, so a page begins where the last one ended whatever
//! was written meanwhile.

use contract::{ArticleId, UserId, Version};
use handler_common::{
    Call, Problem, Reply,
    mysql::{self, integer, text},
};
use serde::Serialize;
use spin_sdk::mysql::{ParameterValue, Row};

use crate::{
    Settings,
    parameters::{CURSOR, Cursor, LIMIT, PageSize},
};

/// A DATETIME(3) as text, since Spin converts no temporal type: RFC 3339 with milliseconds, in UTC as all of them are.
macro_rules! rfc_3339 {
    ($column:literal) => {
        concat!("CONCAT(LEFT(DATE_FORMAT(", $column, ", '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z')")
    };
}
pub(crate) use rfc_3339;

/// Items of a page, where the caller does not say.
const DEFAULT_LIMIT: i64 = 20;

/// The page's size that the caller wants.
pub(crate) fn limit(call: &Call) -> Result<i64, Problem> {
    Ok(call.query("limit", LIMIT)?.map_or(DEFAULT_LIMIT, |PageSize(limit)| limit))
}

#[derive(Serialize)]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct ArticleAt {
    article_id: ArticleId,
    at: String,
}

#[derive(Serialize)]
struct UserAt {
    user_id: UserId,
    at: String,
}

/// The last second of MySQL's DATETIME, in milliseconds: before it comes everything.
const END_OF_TIME: u64 = 253_402_300_799_000;

/// `GET /v1/me/likes`
pub(crate) async fn my_likes(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let user = call.required_user()?;
    let sql = by_version("article_id AS id", "user_like WHERE user_id = ? AND status = 1", "article_id");
    page(call, settings, &sql, user.get(), article_at).await
}

fn article_at(id: i64, at: String) -> Option<ArticleAt> {
    Some(ArticleAt { article_id: id.try_into().ok()?, at })
}

/// `GET /v1/articles/{id}/likers`
pub(crate) async fn likers(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let article = call.article()?;
    call.user()?;
    let sql = by_version("user_id AS id", "user_like WHERE article_id = ? AND status = 1", "user_id");
    page(call, settings, &sql, article.get(), |id, at| Some(UserAt { user_id: id.try_into().ok()?, at })).await
}

/// `GET /v1/me/collects`
pub(crate) async fn my_collects(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    // Favourites have no version: their time takes its place.
    const SQL: &str = concat!(
        "SELECT article_id AS id, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', created_at) DIV 1000 AS version_ms,
                CAST(0 AS SIGNED) AS version_seq, ",
        rfc_3339!("created_at"),
        " AS at
         FROM user_collect WHERE user_id = ? AND created_at <= TIMESTAMPADD(MICROSECOND, ? * 1000, '1970-01-01')
             AND (created_at < TIMESTAMPADD(MICROSECOND, ? * 1000, '1970-01-01')
                  OR (0 < ? OR (0 = ? AND article_id < ?)))
         ORDER BY created_at DESC, article_id DESC LIMIT ?"
    );
    page(call, settings, SQL, call.required_user()?.get(), article_at).await
}

/// The rows of `from` in the order of (version, id), descending, after a cursor. The condition on the first column
/// alone is what lets the index find the place; a comparison of whole rows would walk the list from its beginning.
fn by_version(id: &str, from: &str, id_column: &str) -> String {
    const AT: &str = rfc_3339!("updated_at");
    format!(
        "SELECT {id}, version_ms, version_seq, {AT} AS at
         FROM {from} AND version_ms <= ?
             AND (version_ms < ? OR (version_seq < ? OR (version_seq = ? AND {id_column} < ?)))
         ORDER BY version_ms DESC, version_seq DESC, {id_column} DESC LIMIT ?"
    )
}

async fn page<T: Serialize>(
    call: &Call,
    settings: &Settings,
    sql: &str,
    whose: i64,
    item: impl Fn(i64, String) -> Option<T>,
) -> Result<Reply, Problem> {
    let limit = limit(call)?;
    let first = Cursor { version: Version { ms: END_OF_TIME, seq: i64::MAX.cast_unsigned() }, id: i64::MAX };
    let after = call.query("cursor", CURSOR)?.unwrap_or(first);
    let (ms, seq) = (after.version.ms.min(END_OF_TIME).cast_signed(), after.version.seq.cast_signed());
    // One more than asked for tells whether there is a next page.
    let parameters = |_| [whose, ms, ms, seq, seq, after.id, limit + 1].map(ParameterValue::Int64).to_vec();
    let mut rows = mysql::query(&settings.mysql_url, call.deadline, sql, &parameters).await?;
    let more = rows.len() > usize::try_from(limit).unwrap_or_default();
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(cursor_of).transpose()?;
    let items = rows.iter().map(|row| item(integer(row, "id")?, text(row, "at")?).ok_or(Problem::StoreUnavailable));
    Ok(Reply::json(&Page { items: items.collect::<Result<Vec<_>, _>>()?, next_cursor }))
}

fn cursor_of(row: &Row) -> Result<String, Problem> {
    let half = |column| u64::try_from(integer(row, column)?).map_err(|_| Problem::StoreUnavailable);
    let version = Version { ms: half("version_ms")?, seq: half("version_seq")? };
    Ok(Cursor { version, id: integer(row, "id")? }.to_string())
}
