//! Page views, visitors and reads: from Redis to MySQL.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use contract::{
    ArticleId, ArticleNumber, Partition, Version,
    scripts::{Counters, SnapshotDone, SnapshotRead, SnapshotTake, Taken},
};
use sqlx::{
    AssertSqlSafe, Connection as _, MySqlConnection, MySqlExecutor, MySqlPool, QueryBuilder, query, query_as, raw_sql,
};

use super::{
    deleted,
    history::{Viewed, add_viewed},
    names::NewNames,
    statements::Rows,
};
use crate::store::{
    Store, StoreError,
    mysql::given_back,
    scripts::{accepted, call_all},
    servers::Servers,
    within,
};

/// Articles of one partition that are saved together. They are also the rows of one statement, whose sketches have up to 12
/// KiB each.
pub(crate) const TOGETHER: usize = 100;
/// Partitions that are saved together.
pub(crate) const PARTITIONS: usize = 8;

/// An article with its counters.
#[derive(Debug)]
struct Saved {
    article: ArticleId,
    of: Counters,
    /// The last version of the article's partition when they were read.
    last: Version,
}

/// A transaction of the snapshot that takes this long is waiting for a stalled server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Records that a snapshot is complete, so that its age is known.
pub(crate) async fn remember(mysql: &MySqlPool, took: Duration, articles: u64) -> Result<(), StoreError> {
    let mut connection = mysql.acquire().await?;
    let write =
        query("REPLACE INTO last_snapshot (one, ended_at, took_ms, articles) VALUES (1, UTC_TIMESTAMP(3), ?, ?)")
            .bind(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
            .bind(articles)
            .execute(&mut *connection);
    let outcome = within(PATIENCE, Store::Mysql, write).await;
    given_back(connection, outcome)?;
    Ok(())
}

/// Lists changed articles by partition, at most `most` for each.
pub(crate) async fn take(
    redis: &mut Servers,
    partitions: &[Partition],
    most: usize,
) -> Result<Vec<(Partition, Vec<ArticleId>)>, StoreError> {
    let take = |partition: &Partition| SnapshotTake { partition: *partition, most };
    let calls: Vec<SnapshotTake> = partitions.iter().map(take).collect();
    let named = partitions.iter().copied().zip(call_all(redis, &calls).await?);
    // A cold partition lists nothing.
    Ok(named.map(|(partition, outcome)| (partition, outcome.unwrap_or_default())).collect())
}

/// Writes the counters of articles to MySQL, and reports to Redis what is saved. Returns the number of articles. Those of a
/// partition that has become cold, and those that have been deleted, are left out.
pub(crate) async fn save(
    mysql: &MySqlPool,
    redis: &mut Servers,
    articles: &[(Partition, Vec<ArticleId>)],
) -> Result<u64, StoreError> {
    let mut counters = read(redis, articles).await?;
    counters.sort_unstable_by_key(|saved| saved.article.number());
    let mut deleted = BTreeSet::new();
    for rows in counters.chunks(TOGETHER) {
        deleted.extend(write(mysql, rows).await?);
    }
    counters.retain(|saved| !deleted.contains(&saved.article.number().get()));
    done(redis, &counters).await?;
    Ok(counters.len() as u64)
}

/// The same for articles in any order.
pub(super) async fn save_these(
    mysql: &MySqlPool,
    redis: &mut Servers,
    articles: &[ArticleId],
) -> Result<(), StoreError> {
    let mut by_partition: BTreeMap<Partition, Vec<ArticleId>> = BTreeMap::new();
    for article in articles {
        by_partition.entry(Partition::of(article.number())).or_default().push(article.clone());
    }
    let parts = by_partition
        .iter()
        .flat_map(|(partition, articles)| articles.chunks(TOGETHER).map(|articles| (*partition, articles.to_vec())));
    for some in parts.collect::<Vec<_>>().chunks(PARTITIONS) {
        save(mysql, redis, some).await?;
    }
    Ok(())
}

/// Reads the counters of articles. Those of a partition that has become cold are left out.
async fn read(redis: &mut Servers, taken: &[(Partition, Vec<ArticleId>)]) -> Result<Vec<Saved>, StoreError> {
    let calls: Vec<SnapshotRead<'_>> =
        taken.iter().map(|(partition, articles)| SnapshotRead { partition: *partition, articles }).collect();
    let outcomes = call_all(redis, &calls).await?;
    let mut all = Vec::new();
    for (call, outcome) in calls.iter().zip(outcomes) {
        let Ok(Taken { last, counters }) = outcome else { continue };
        all.extend(call.articles.iter().cloned().zip(counters).map(|(article, of)| Saved { article, of, last }));
    }
    Ok(all)
}

/// Writes counters and the articles' names, in ascending order of articles, like every writer of the table. A late
/// snapshot never lowers a number. What the numbers grow by is added to the history in the same transaction. Articles
/// deleted since their counters were read are left out and returned.
async fn write(mysql: &MySqlPool, rows: &[Saved]) -> Result<BTreeSet<i64>, StoreError> {
    let mut deleted = BTreeSet::new();
    loop {
        let left: Vec<&Saved> = rows.iter().filter(|row| !deleted.contains(&row.article.number().get())).collect();
        if left.is_empty() {
            return Ok(deleted);
        }
        let mut connection = mysql.acquire().await?;
        let outcome = within(PATIENCE, Store::Mysql, write_unless_deleted(&mut connection, &left)).await;
        let more = given_back(connection, outcome)?;
        if more.is_empty() {
            return Ok(deleted);
        }
        deleted.extend(more);
    }
}

/// Writes nothing if any of the articles has been deleted since, and returns the deleted ones. It asks after it has written the
/// rows, which locks them: a deletion that is recorded later finds them.
async fn write_unless_deleted(connection: &mut MySqlConnection, rows: &[&Saved]) -> sqlx::Result<BTreeSet<i64>> {
    let mut insert = QueryBuilder::new(
        "INSERT INTO article_stats (article_id, p, pv, uv, uv_sketch, pv_gained, uv_gained, read_count, updated_at) ",
    );
    insert.push_values(rows, |mut row, Saved { article, of, .. }| {
        let sketch = (!of.uv_sketch.is_empty()).then_some(&of.uv_sketch[..]);
        let article = article.number();
        row.push_bind(article.get()).push_bind(Partition::of(article).get());
        row.push_bind(of.pv).push_bind(of.uv).push_bind(sketch);
        row.push_bind(of.pv).push_bind(of.uv).push_bind(of.reads).push("UTC_TIMESTAMP(3)");
    });
    // Assignments run from left to right, so the gains and the choice of the sketch come from the old numbers.
    insert.push(
        " ON DUPLICATE KEY UPDATE
            pv_gained = GREATEST(VALUES(pv) - GREATEST(pv, pv_imported), 0),
            uv_gained = GREATEST(VALUES(uv) - uv, 0),
            pv = GREATEST(pv, VALUES(pv)),
            uv_sketch = IF(VALUES(uv) >= uv, VALUES(uv_sketch), uv_sketch),
            uv = GREATEST(uv, VALUES(uv)),
            read_count = GREATEST(read_count, VALUES(read_count)),
            updated_at = VALUES(updated_at)",
    );
    let mut names = NewNames::default();
    for row in rows {
        names.article(&row.article);
    }
    let mut transaction = connection.begin().await?;
    // If two names have one number, their counters are already shared. An event of the second name goes to the
    // dead-letter queue.
    names.write(&mut transaction).await?;
    insert.build().execute(&mut *transaction).await?;
    let read = rows.iter().map(|row| (row.article.number(), row.last));
    let deleted = deleted::since(&mut transaction, read).await?;
    if deleted.is_empty() {
        remember_growth(&mut transaction, rows).await?;
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(deleted)
}

/// Adds what these articles have just gained, by MySQL's clock.
async fn remember_growth(connection: &mut MySqlConnection, rows: &[&Saved]) -> sqlx::Result<()> {
    let articles = rows.iter().map(|row| row.article.number().to_string()).collect::<Vec<_>>().join(",");
    let sql = format!(
        "SELECT article_id, pv_gained, uv_gained, UNIX_TIMESTAMP(UTC_TIMESTAMP()) DIV 60
         FROM article_stats WHERE article_id IN ({articles}) AND (pv_gained > 0 OR uv_gained > 0) ORDER BY article_id"
    );
    let gained: Vec<(i64, i64, i64, i64)> = query_as(AssertSqlSafe(sql)).fetch_all(&mut *connection).await?;
    let viewed = |(article, pv, uv, minute): (i64, i64, i64, i64)| {
        Some(Viewed { minute: minute.try_into().ok()?, article: article.try_into().ok()?, pv, uv })
    };
    let viewed: Vec<Viewed> = gained.into_iter().filter_map(viewed).collect();
    add_viewed(connection, &viewed).await
}

/// The page views that MySQL knows to come from another system.
pub(super) async fn expected(
    mysql: &MySqlPool,
    articles: impl Iterator<Item = ArticleNumber>,
) -> Result<BTreeMap<ArticleNumber, u64>, StoreError> {
    let list = articles.map(|article| article.to_string()).collect::<Vec<_>>().join(",");
    if list.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql =
        format!("SELECT article_id, pv_imported FROM article_stats WHERE article_id IN ({list}) AND pv_imported > 0");
    let rows: Vec<(i64, i64)> = query_as(AssertSqlSafe(sql)).fetch_all(mysql).await?;
    Ok(rows.into_iter().filter_map(|(article, pv)| Some((article.try_into().ok()?, pv.try_into().ok()?))).collect())
}

/// Records the page views that an import is about to set in Redis: they come from another system, and are no growth. An
/// article that has page views in MySQL has them in Redis too, so the import will not set any.
pub(super) async fn expect(
    mysql: &MySqlPool,
    articles: impl Iterator<Item = (ArticleNumber, u64)>,
) -> Result<(), StoreError> {
    let articles: BTreeMap<ArticleNumber, u64> = articles.collect();
    let mut rows = Rows::new("INSERT INTO article_stats (article_id, p, pv_imported, updated_at)");
    for (article, pv) in &articles {
        rows.push(format_args!("({article},{},{pv},UTC_TIMESTAMP(3))", Partition::of(*article)));
    }
    if let Some(insert) =
        rows.finish("pv_imported = IF(pv = 0 OR VALUES(pv_imported) = 0, VALUES(pv_imported), pv_imported)")
    {
        raw_sql(AssertSqlSafe(insert)).execute(mysql).await?;
    }
    Ok(())
}

/// Reports to Redis which counters are saved. An article that changed meanwhile stays listed.
async fn done(redis: &mut Servers, saved: &[Saved]) -> Result<(), StoreError> {
    let done =
        |Saved { article, of, .. }: &Saved| SnapshotDone { article: article.clone(), pv: of.pv, reads: of.reads };
    accepted(redis, &saved.iter().map(done).collect::<Vec<_>>()).await?;
    Ok(())
}

/// Lists articles with counters for the next snapshot, as if these had changed: what was saved of them may have been deleted.
pub(crate) async fn save_again(redis: &mut Servers, articles: &[ArticleId]) -> Result<(), StoreError> {
    // No counter is ever -1, so Redis lists the article as changed.
    let done = |article: &ArticleId| SnapshotDone { article: article.clone(), pv: -1, reads: -1 };
    accepted(redis, &articles.iter().map(done).collect::<Vec<_>>()).await?;
    Ok(())
}

/// The last snapshot: its age in microseconds, its duration in ms, and the number of articles.
pub(super) async fn last(mysql: impl MySqlExecutor<'_>) -> Result<Option<(i64, i64, i64)>, StoreError> {
    Ok(query_as("SELECT TIMESTAMPDIFF(MICROSECOND, ended_at, UTC_TIMESTAMP(3)), took_ms, articles FROM last_snapshot")
        .fetch_optional(mysql)
        .await?)
}
