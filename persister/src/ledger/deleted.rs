//! Articles that were deleted, and when: what happened to them until then is not applied, and does not come back.
//!
//! "Until then" means up to a version of the partition's outbox, not up to a time. Versions order even two events of one
//! millisecond, and a clock that is set back cannot change their order.

use std::collections::{BTreeSet, HashMap};

use contract::{ArticleNumber, Counter, Event, Version};
use jiff::Timestamp;
use sqlx::{MySqlConnection, MySqlPool, query_as, query_scalar};

use super::json::json;
use crate::store::StoreError;

/// When an article was deleted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deletion {
    /// Everything up to this version happened before the deletion.
    pub(crate) version: Version,
    /// By Redis's clock.
    pub(crate) at: Timestamp,
}

/// The deletion of each deleted article.
pub(crate) type Deleted = HashMap<ArticleNumber, Deletion>;

/// The deletions of the events' articles. Ask in the transaction that applies the events, so that a deletion and a
/// redelivery cannot miss each other.
pub(super) async fn among(connection: &mut MySqlConnection, events: &[&Event]) -> sqlx::Result<Deleted> {
    // Most systems have deleted nothing, or little.
    let any = "SELECT EXISTS (SELECT 1 FROM deleted_article)";
    if !query_scalar::<_, bool>(any).fetch_one(&mut *connection).await? {
        return Ok(Deleted::new());
    }
    let articles: BTreeSet<ArticleNumber> = events.iter().map(|event| event.article.number()).collect();
    let Some(articles) = json(articles.iter().map(|article| [article.get()])) else { return Ok(Deleted::new()) };
    let rows: Vec<(i64, i64, i64, i64)> = query_as(
        "SELECT d.article_id, CAST(UNIX_TIMESTAMP(d.at) * 1000 AS SIGNED), d.version_ms, d.version_seq
         FROM JSON_TABLE(?, '$[*]' COLUMNS (article_id BIGINT PATH '$[0]')) e
         STRAIGHT_JOIN deleted_article d ON d.article_id = e.article_id",
    )
    .bind(articles)
    .fetch_all(connection)
    .await?;
    let deletion = |(article, at, ms, seq): (i64, i64, i64, i64)| {
        let version = Version { ms: ms.try_into().ok()?, seq: seq.try_into().ok()? };
        Some((article.try_into().ok()?, Deletion { version, at: Timestamp::from_millisecond(at).ok()? }))
    };
    Ok(rows.into_iter().filter_map(deletion).collect())
}

/// All deleted articles, each with its version.
pub(super) async fn all(mysql: &MySqlPool) -> Result<HashMap<i64, (i64, i64)>, StoreError> {
    let rows: Vec<(i64, i64, i64)> =
        query_as("SELECT article_id, version_ms, version_seq FROM deleted_article").fetch_all(mysql).await?;
    Ok(rows.into_iter().map(|(article, ms, seq)| (article, (ms, seq))).collect())
}

/// Which of these articles were deleted after the version that is given with each.
pub(super) async fn since(
    connection: &mut MySqlConnection,
    articles: impl Iterator<Item = (ArticleNumber, Version)>,
) -> sqlx::Result<BTreeSet<i64>> {
    let rows = articles.map(|(article, Version { ms, seq })| [article.get().cast_unsigned(), ms, seq]);
    let Some(rows) = json(rows) else { return Ok(BTreeSet::new()) };
    let deleted: Vec<i64> = query_scalar(
        "SELECT d.article_id FROM JSON_TABLE(?, '$[*]' COLUMNS (
             article_id BIGINT PATH '$[0]', ms BIGINT PATH '$[1]', seq BIGINT PATH '$[2]')) e
         STRAIGHT_JOIN deleted_article d ON d.article_id = e.article_id
         WHERE (d.version_ms, d.version_seq) > (e.ms, e.seq)",
    )
    .bind(rows)
    .fetch_all(connection)
    .await?;
    Ok(deleted.into_iter().collect())
}

/// Articles that were deleted within the last days, and the counters that they have had since.
#[derive(Debug, Default)]
pub(crate) struct Lately(HashMap<ArticleNumber, HashMap<Counter, i64>>);

impl Lately {
    /// Ask in the transaction that writes the ranking.
    pub(super) async fn read(connection: &mut MySqlConnection) -> sqlx::Result<Self> {
        let rows: Vec<(i64, Option<i64>, Option<i64>)> = query_as(
            "SELECT d.article_id, CAST(c.kind AS SIGNED), c.count
             FROM deleted_article d LEFT JOIN interaction_count c ON c.article_id = d.article_id
             WHERE d.at > UTC_TIMESTAMP(3) - INTERVAL 9 DAY
             UNION ALL
             SELECT d.article_id, n.counter, CAST(ELT(n.counter - 252, s.uv, s.pv, s.read_count) AS SIGNED)
             FROM deleted_article d STRAIGHT_JOIN article_stats s ON s.article_id = d.article_id
             STRAIGHT_JOIN (SELECT 253 AS counter UNION ALL SELECT 254 UNION ALL SELECT 255) n
             WHERE d.at > UTC_TIMESTAMP(3) - INTERVAL 9 DAY",
        )
        .fetch_all(connection)
        .await?;
        let mut all = Self::default();
        for (article, code, count) in rows {
            let Ok(article) = ArticleNumber::try_from(article) else { continue };
            let counts = all.0.entry(article).or_default();
            counts.extend(code.and_then(|code| Counter::from_code(code.try_into().ok()?)).zip(count));
        }
        Ok(all)
    }

    /// The growth of a counter since the deletion, which is at most the present count. `gained` also has what was gained
    /// before the deletion.
    pub(crate) fn gained(&self, article: ArticleNumber, counter: Counter, gained: i64) -> i64 {
        let Some(counts) = self.0.get(&article) else { return gained };
        gained.min(counts.get(&counter).copied().unwrap_or(0))
    }
}
