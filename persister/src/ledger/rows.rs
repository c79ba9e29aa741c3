//! The rows of pairs in MySQL.

use std::collections::HashMap;

use contract::{Kind, Pair, Version};
use sqlx::{MySqlExecutor, query_as};

use super::json::json;
use crate::store::StoreError;

/// Version and status of each row.
pub(crate) type Rows = HashMap<Pair, (Version, bool)>;

/// The existing rows of these pairs.
pub(crate) async fn rows_of<'a>(
    mysql: impl MySqlExecutor<'_>,
    pairs: impl IntoIterator<Item = &'a Pair>,
) -> Result<Rows, StoreError> {
    let key = |(article, kind, user): &Pair| [article.get(), kind.code().into(), user.get()];
    let Some(pairs) = json(pairs.into_iter().map(key)) else { return Ok(Rows::new()) };
    let rows: Vec<(i64, u8, i64, i8, i64, i64)> = query_as(
        "SELECT i.article_id, i.kind, i.user_id, i.status, i.version_ms, i.version_seq
         FROM JSON_TABLE(?, '$[*]' COLUMNS (
             article_id BIGINT PATH '$[0]', kind TINYINT UNSIGNED PATH '$[1]', user_id BIGINT PATH '$[2]')) e
         STRAIGHT_JOIN interaction i ON i.article_id = e.article_id AND i.kind = e.kind AND i.user_id = e.user_id",
    )
    .bind(pairs)
    .fetch_all(mysql)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(article, kind, user, status, ms, seq)| {
            let version = Version { ms: ms.try_into().ok()?, seq: seq.try_into().ok()? };
            let pair = (article.try_into().ok()?, Kind::from_code(kind)?, user.try_into().ok()?);
            Some((pair, (version, status != 0)))
        })
        .collect())
}
