//! The likes that MySQL has.

use std::collections::HashMap;

use contract::Version;
use sqlx::{MySqlExecutor, query_as};

use super::{json::json, pair::Pair};
use crate::store::StoreError;

/// Version and status of each row.
pub(crate) type Rows = HashMap<Pair, (Version, bool)>;

/// The rows that exist of these pairs.
pub(crate) async fn rows_of<'a>(
    mysql: impl MySqlExecutor<'_>,
    pairs: impl IntoIterator<Item = &'a Pair>,
) -> Result<Rows, StoreError> {
    let pairs = json(pairs.into_iter().map(|(user, article)| [user.get(), article.get()]));
    let Some(pairs) = pairs else { return Ok(Rows::new()) };
    let rows: Vec<(i64, i64, i8, i64, i64)> = query_as(
        "SELECT l.user_id, l.article_id, l.status, l.version_ms, l.version_seq
         FROM JSON_TABLE(?, '$[*]' COLUMNS (user_id BIGINT PATH '$[0]', article_id BIGINT PATH '$[1]')) e
         STRAIGHT_JOIN user_like l ON l.user_id = e.user_id AND l.article_id = e.article_id",
    )
    .bind(pairs)
    .fetch_all(mysql)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(user, article, status, ms, seq)| {
            let version = Version { ms: ms.try_into().ok()?, seq: seq.try_into().ok()? };
            Some(((user.try_into().ok()?, article.try_into().ok()?), (version, status != 0)))
        })
        .collect())
}
