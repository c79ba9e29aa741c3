//! Lists from MySQL, newest first. A change that was just acknowledged may be missing until the consumer applies it.
//!
//! A cursor is the place of the last item in the order of the index. So a page begins where the last one ended,
//! whatever was written meanwhile.

use contract::{ArticleId, FIRST_NAME, Partition, UserId, Version};
use handler_common::{
    Call, Problem, Reply,
    mysql::{self, integer, text},
};
use serde::Serialize;
use spin_sdk::mysql::{ParameterValue, Row};

use crate::{
    parameters::{CURSOR, Cursor, LIMIT, PageSize},
    settings::Settings,
};

/// A DATETIME(3) as text, because Spin converts no temporal type: RFC 3339 with milliseconds, in UTC like all of them.
macro_rules! rfc_3339 {
    ($column:literal) => {
        concat!("CONCAT(LEFT(DATE_FORMAT(", $column, ", '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z')")
    };
}
pub(crate) use rfc_3339;

/// The items of a page, if the caller does not say how many.
const DEFAULT_LIMIT: i64 = 20;

/// Returns the page size that the caller wants.
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

/// `GET /v1/me/{count}`: the articles for which the caller has the kind on.
pub(crate) async fn mine(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let (kind, user) = (call.kind()?, call.required_user()?);
    is_own(call, settings, &user).await?;
    let of = [user.number().get(), kind.code().into()];
    page(call, settings, ["article", "by_user", "user_id = ? AND kind = ?"], &of, |article, name, at| {
        Some(ArticleAt { article_id: ArticleId::stored(article.try_into().ok()?, name), at })
    })
    .await
}

/// Checks that the number of a user's name does not belong to another user. The list would be that user's.
async fn is_own(call: &Call, settings: &Settings, user: &UserId) -> Result<(), Problem> {
    const SQL: &str = "SELECT text AS name FROM name WHERE kind = 'user' AND number = ?";
    let Some(name) = user.name() else { return Ok(()) };
    let number = |_| vec![ParameterValue::Int64(user.number().get())];
    let rows = mysql::query(&settings.mysql_url, call.deadline, SQL, &number).await?;
    match rows.first().map(|row| text(row, "name")).transpose()? {
        Some(known) if known != name => Err(Problem::IdCollision),
        _ => Ok(()),
    }
}

/// `GET /v1/articles/{id}/{list}`: the users who have the kind on.
pub(crate) async fn users(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let (kind, article) = (call.kind()?, call.article()?);
    call.user()?;
    // The index begins with the partition.
    let article = article.number();
    let of = [Partition::of(article).get().into(), article.get(), kind.code().into()];
    page(call, settings, ["user", "by_partition", "p = ? AND article_id = ? AND kind = ?"], &of, |user, name, at| {
        Some(UserAt { user_id: UserId::stored(user.try_into().ok()?, name), at })
    })
    .await
}

/// Returns the statement for the rows of a list after a cursor, in the descending order of (version, id). The condition
/// on the first column alone lets the index find the place. A comparison of whole rows would walk the list from its
/// beginning. The index is named, because `MySQL` otherwise may read the whole list by the primary key and sort it.
fn sql([of, index, list]: [&str; 3]) -> String {
    const AT: &str = rfc_3339!("updated_at");
    let id = format!("{of}_id");
    format!(
        "SELECT {id} AS id, version_ms, version_seq, {AT} AS at,
                IF({id} < {FIRST_NAME}, '', COALESCE((SELECT text FROM name WHERE kind = '{of}' AND number = {id}), '')) AS name
         FROM interaction FORCE INDEX ({index}) WHERE {list} AND status = 1 AND version_ms <= ?
             AND (version_ms < ? OR (version_seq < ? OR (version_seq = ? AND {id} < ?)))
         ORDER BY version_ms DESC, version_seq DESC, {id} DESC LIMIT ?"
    )
}

/// Returns a page of a list. `list` is what its items are (`article` or `user`), its index, and the condition on the columns with
/// which the index begins. `of` are the values of these columns.
async fn page<T: Serialize>(
    call: &Call,
    settings: &Settings,
    list: [&str; 3],
    of: &[i64],
    item: impl Fn(i64, Option<&str>, String) -> Option<T>,
) -> Result<Reply, Problem> {
    const LAST: u64 = i64::MAX.cast_unsigned();
    let limit = limit(call)?;
    let before_all = Cursor { version: Version { ms: LAST, seq: LAST }, id: i64::MAX };
    let Cursor { version, id } = call.query("cursor", CURSOR)?.unwrap_or(before_all);
    let (ms, seq) = (version.ms.cast_signed(), version.seq.cast_signed());
    // One item more than asked for shows whether there is a next page.
    let after = [ms, ms, seq, seq, id, limit + 1];
    let parameters = |_| of.iter().chain(&after).copied().map(ParameterValue::Int64).collect();
    let mut rows = mysql::query(&settings.mysql_url, call.deadline, &sql(list), &parameters).await?;
    let more = rows.len() > usize::try_from(limit).unwrap_or_default();
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(cursor_of).transpose()?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, name) = (integer(row, "id")?, text(row, "name")?);
        // A restored MySQL may lack a name. Then there is no id that the site knows, and the item is left out.
        if id < FIRST_NAME || !name.is_empty() {
            items.push(item(id, Some(&*name), text(row, "at")?).ok_or(Problem::StoreUnavailable)?);
        }
    }
    Ok(Reply::json(&Page { items, next_cursor }))
}

fn cursor_of(row: &Row) -> Result<String, Problem> {
    let half = |column| u64::try_from(integer(row, column)?).map_err(|_| Problem::StoreUnavailable);
    let version = Version { ms: half("version_ms")?, seq: half("version_seq")? };
    Ok(Cursor { version, id: integer(row, "id")? }.to_string())
}
