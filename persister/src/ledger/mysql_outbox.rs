//! The outbox of MySQL: changes of kinds whose truth is MySQL, to be projected into Redis and shipped to Kafka.
//!
//! One process at a time works on it, under [`LOCK`], so that the rows of one user and article are projected in the
//! order of their ids, which is the order of their commits.

use contract::{
    ArticleId, ArticleNumber, DecodeError, Event, Fields, Kind, Partition, UserId, UserNumber, Version, scripts::Entry,
};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, FromRow, MySqlExecutor, MySqlPool, query_as, query_scalar};

use crate::store::{StoreError, mysql::atomically};

/// The name of the lock.
pub(crate) const LOCK: &str = "outbox";

/// Rows in one read.
pub(crate) const BATCH: usize = 500;

/// What is done with a row. The row is deleted when both are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Updating the projection in Redis.
    Project,
    /// Shipping it to Kafka.
    Ship,
}

impl Work {
    const fn done(self) -> &'static str {
        match self {
            Self::Project => "projected",
            Self::Ship => "shipped",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Row {
    pub(crate) id: i64,
    p: u8,
    kind: u8,
    user_id: i64,
    article_id: i64,
    status: i8,
    version_ms: i64,
    cause: String,
    at_ms: i64,
    request_id: String,
    ip_hash: String,
    user_name: Option<String>,
    article_name: Option<String>,
    /// MySQL's time when the row was read.
    now_ms: i64,
}

impl Row {
    /// Seconds from the change until the row was read, by MySQL's clock.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub(crate) fn age_seconds(&self) -> f64 {
        (self.now_ms - self.at_ms).max(0) as f64 / 1000.0
    }

    /// The partition of its article.
    pub(crate) fn partition(&self) -> Option<Partition> {
        Partition::from_number(self.p)
    }

    /// The event of the row.
    pub(crate) fn to_event(&self) -> Result<Event, DecodeError> {
        let number = |number: i64| u64::try_from(number).map_err(|_| DecodeError::Incomplete("a version below 0"));
        let user = UserNumber::try_from(self.user_id)
            .map_err(|_| DecodeError::Incomplete("user_id is not the number of an id"))?;
        let article = ArticleNumber::try_from(self.article_id)
            .map_err(|_| DecodeError::Incomplete("article_id is not the number of an id"))?;
        let fields = Fields {
            version: Version { ms: number(self.version_ms)?, seq: number(self.id)? },
            r#type: Kind::from_code(self.kind).map_or("", Kind::name).into(),
            user_id: Some(UserId::stored(user, self.user_name.as_deref()).to_string().into()),
            article_id: ArticleId::stored(article, self.article_name.as_deref()).to_string().into(),
            status: Some(self.status.into()),
            reads: None,
            cause: self.cause.as_str().into(),
            occurred_at: Timestamp::from_millisecond(self.at_ms)
                .map_err(|_| DecodeError::Incomplete("at_ms is not a time"))?,
            request_id: self.request_id.as_str().into(),
            ip_hash: self.ip_hash.as_str().into(),
        };
        fields.try_into()
    }

    /// The row's entry in the projection. None if the row is not an event; such a row goes to the dead-letter queue.
    pub(crate) fn to_entry(&self) -> Option<Entry> {
        Some(Entry {
            kind: Kind::from_code(self.kind)?,
            user: self.user_id.try_into().ok()?,
            article: self.article_id.try_into().ok()?,
            on: self.status == 1,
        })
    }
}

/// The oldest rows of these partitions that still need this work, in the order of their ids.
pub(crate) async fn read(mysql: &MySqlPool, work: Work, partitions: &[Partition]) -> Result<Vec<Row>, StoreError> {
    let list = partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT id, p, kind, user_id, article_id, status, version_ms, cause, at_ms, request_id, ip_hash,
                user_name, article_name, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS now_ms
         FROM outbox WHERE {} = FALSE AND p IN ({list}) ORDER BY id LIMIT {BATCH}",
        work.done()
    );
    Ok(query_as(AssertSqlSafe(sql)).fetch_all(mysql).await?)
}

/// Records that rows are shipped.
pub(crate) async fn shipped(mysql: &MySqlPool, ids: &[i64]) -> Result<(), StoreError> {
    if !ids.is_empty() {
        atomically(mysql, &mark_done(Work::Ship, ids, "TRUE")).await?;
    }
    Ok(())
}

/// Statements that mark the rows that meet the condition, and delete the rows whose work is all done. Run them in one
/// transaction, or a row with both marks would stay. If two transactions mark a row at the same time, the later one sees both
/// marks.
pub(super) fn mark_done(work: Work, ids: &[i64], condition: &str) -> String {
    let list = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    format!(
        "UPDATE outbox SET {} = TRUE WHERE id IN ({list}) AND {condition};
         DELETE FROM outbox WHERE id IN ({list}) AND projected = TRUE AND shipped = TRUE",
        work.done()
    )
}

/// How many rows up to a given row wait for this work.
pub(crate) async fn waiting(mysql: impl MySqlExecutor<'_>, work: Work, up_to: i64) -> Result<i64, StoreError> {
    let sql = format!("SELECT COUNT(*) FROM outbox WHERE {} = FALSE AND id <= ?", work.done());
    Ok(query_scalar(AssertSqlSafe(sql)).bind(up_to).fetch_one(mysql).await?)
}

/// The id of the last row; 0 if there is none.
pub(crate) async fn last(mysql: &MySqlPool) -> Result<i64, StoreError> {
    Ok(query_scalar("SELECT COALESCE(MAX(id), 0) FROM outbox").fetch_one(mysql).await?)
}
