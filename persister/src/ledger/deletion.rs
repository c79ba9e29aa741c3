//! Deleting an article's rows in MySQL.
//!
//! Rows of kinds that Redis decides, and last reads, are deleted up to the version of the [`Deletion`]: later rows came after
//! it. Rows of kinds that MySQL decides are deleted as they are found. A row that a user adds meanwhile either stays, or is
//! deleted together with its count.

use std::collections::{BTreeMap, HashSet};

use contract::{ArticleId, ArticleNumber, Cause, Kind, Partition, Truth, UserNumber, Version, Written};
use futures::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, MySqlPool, query, query_as, query_scalar, raw_sql};

use super::{
    deleted::Deletion, history, locks::lock_partitions, names::Names, repair::recount, statements, toggle::toggle,
};
use crate::store::{StoreError, mysql::retried};

/// Rows of one transaction.
const TOGETHER: usize = 2000;
/// Numbers of one statement, few enough that both servers look each of them up by the primary key.
const LISTED: usize = 500;

/// Rows that were deleted.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Rows {
    /// All rows, including those of what had been switched off.
    pub(crate) all: u64,
    /// The rows of what was on.
    pub(crate) on: u64,
}

/// Records a deletion: from now on, nothing from before it is applied, however often it is delivered. Deletes the article's
/// views and reads in the same transaction, so that any row found next to the record was written after the deletion.
pub(crate) async fn mark(mysql: &MySqlPool, article: ArticleNumber, deletion: &Deletion) -> Result<(), StoreError> {
    retried(mysql, async |connection| marked(connection, article, deletion).await).await
}

async fn marked(connection: &mut MySqlConnection, article: ArticleNumber, deletion: &Deletion) -> sqlx::Result<()> {
    let (partition, Deletion { version, at }) = (Partition::of(article), deletion);
    let mut transaction = connection.begin().await?;
    // A consumer's transaction takes this lock first, and then asks which articles are deleted.
    lock_partitions(&mut transaction, [&partition]).await?;
    // A snapshot writes this row, and then asks which articles are deleted. This transaction locks the row first, so that no
    // snapshot writes between the record and the commit. A missing row cannot be locked, so it is inserted.
    query(
        "INSERT INTO article_stats (article_id, p, updated_at) VALUES (?, ?, UTC_TIMESTAMP(3))
         ON DUPLICATE KEY UPDATE pv = pv",
    )
    .bind(article.get())
    .bind(partition.get())
    .execute(&mut *transaction)
    .await?;
    query("DELETE FROM article_stats WHERE article_id = ?").bind(article.get()).execute(&mut *transaction).await?;
    query(
        "INSERT INTO deleted_article (article_id, at, version_ms, version_seq) VALUES (?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE
             at = GREATEST(at, VALUES(at)),
             version_seq = IF((VALUES(version_ms), VALUES(version_seq)) > (version_ms, version_seq),
                              VALUES(version_seq), version_seq),
             version_ms = GREATEST(version_ms, VALUES(version_ms))",
    )
    .bind(article.get())
    .bind(at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string())
    .bind(version.ms)
    .bind(version.seq)
    .execute(&mut *transaction)
    .await?;
    history::forget_article(&mut transaction, article).await?;
    // This version shows whether a Redis has lost the removal: its outbox then ends before it.
    if let Some(seen) = statements::write_seen(&[(partition, *version)].into()) {
        raw_sql(AssertSqlSafe(seen)).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// Deletes the article's rows of a kind, up to a version if Redis decides the kind. Each transaction lowers the count by the
/// rows that were on, so that the count is right at every instant.
pub(crate) async fn delete_rows(
    mysql: &MySqlPool,
    (article, kind): (ArticleNumber, Kind),
    up_to: Option<Version>,
) -> Result<Rows, StoreError> {
    let (mut total, mut after) = (Rows::default(), Some(i64::MIN));
    // Goes on after the last user. Deleted rows stay in the index for a while, and would be passed over each time.
    while let Some(first) = after {
        let (deleted, next) =
            retried(mysql, async |connection| delete_some(connection, (article, kind), up_to, first).await).await?;
        total.all += deleted.all;
        total.on += deleted.on;
        after = next;
    }
    Ok(total)
}

/// Deletes the rows of some users after `after`. Also returns the last of these users, if there may be more. Locks the tables
/// in the order of every writer (see the migrations).
async fn delete_some(
    connection: &mut MySqlConnection,
    (article, kind): (ArticleNumber, Kind),
    up_to: Option<Version>,
    after: i64,
) -> sqlx::Result<(Rows, Option<i64>)> {
    let (code, any) = (kind.code(), i64::MAX.unsigned_abs());
    let Version { ms, seq } = up_to.unwrap_or(Version { ms: any, seq: any });
    let mut transaction = connection.begin().await?;
    lock_partitions(&mut transaction, [&Partition::of(article)]).await?;
    let rows: Vec<(i64, i8)> = query_as(AssertSqlSafe(format!(
        "SELECT user_id, status FROM interaction
         WHERE article_id = ? AND kind = ? AND user_id > ? AND (version_ms, version_seq) <= (?, ?)
         ORDER BY user_id LIMIT {TOGETHER} FOR UPDATE"
    )))
    .bind(article.get())
    .bind(code)
    .bind(after)
    .bind(ms)
    .bind(seq)
    .fetch_all(&mut *transaction)
    .await?;
    // The procedure `toggle` does not take the partition's lock, so delete only rows that are locked here.
    for some in rows.chunks(LISTED) {
        let users = list(some.iter().map(|(user, _)| *user));
        let delete =
            format!("DELETE FROM interaction WHERE article_id = {article} AND kind = {code} AND user_id IN ({users})");
        raw_sql(AssertSqlSafe(delete)).execute(&mut *transaction).await?;
    }
    if kind.truth() == Truth::Mysql {
        let users: HashSet<i64> = rows.iter().map(|(user, _)| *user).collect();
        forget_changes(&mut transaction, (article, code), &users).await?;
    }
    let on = rows.iter().filter(|(_, status)| *status == 1).count();
    if on > 0 {
        // As in statements.rs, a count that is already too low does not stop the work.
        query("UPDATE interaction_count SET count = GREATEST(count - ?, 0) WHERE article_id = ? AND kind = ?")
            .bind(i64::try_from(on).unwrap_or(i64::MAX))
            .bind(article.get())
            .bind(code)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    let last = rows.last().map(|(user, _)| *user).filter(|_| rows.len() == TOGETHER);
    Ok((Rows { all: rows.len() as u64, on: on as u64 }, last))
}

/// Deletes the outbox's rows of users whose rows are locked. Until they are unlocked, nobody else adds such rows.
async fn forget_changes(
    connection: &mut MySqlConnection,
    (article, code): (ArticleNumber, u8),
    users: &HashSet<i64>,
) -> sqlx::Result<()> {
    // Reads without locks, because there is no index by article, and every toggle adds rows.
    let changes: Vec<(i64, i64)> = query_as("SELECT id, user_id FROM outbox WHERE article_id = ? AND kind = ?")
        .bind(article.get())
        .bind(code)
        .fetch_all(&mut *connection)
        .await?;
    let ids: Vec<i64> = changes.iter().filter(|(_, user)| users.contains(user)).map(|(id, _)| *id).collect();
    for some in ids.chunks(LISTED) {
        let delete = format!("DELETE FROM outbox WHERE id IN ({})", list(some.iter().copied()));
        raw_sql(AssertSqlSafe(delete)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Deletes the last reads of articles, up to the version of each. Returns how many each article had. The table has no index
/// by article, because every read would have to update it. So this reads the whole table once for some hundreds of articles.
pub(crate) async fn delete_reads(
    mysql: &MySqlPool,
    up_to: &BTreeMap<ArticleNumber, Version>,
) -> Result<BTreeMap<ArticleNumber, u64>, StoreError> {
    let mut deleted = BTreeMap::new();
    let articles: Vec<i64> = up_to.keys().map(|article| article.get()).collect();
    for some in articles.chunks(LISTED) {
        let find =
            format!("SELECT user_id, article_id FROM user_read WHERE article_id IN ({})", list(some.iter().copied()));
        let mut rows = query_as::<_, (i64, i64)>(AssertSqlSafe(find)).fetch(mysql).try_chunks(TOGETHER);
        while let Some(rows) = rows.try_next().await.map_err(|error| error.1)? {
            for (article, version) in up_to {
                let users: Vec<i64> =
                    rows.iter().filter(|(_, of)| *of == article.get()).map(|(user, _)| *user).collect();
                for users in users.chunks(LISTED) {
                    let done =
                        retried(mysql, async |connection| delete_reads_of(connection, *article, *version, users).await);
                    *deleted.entry(*article).or_default() += done.await?;
                }
            }
        }
    }
    Ok(deleted)
}

async fn delete_reads_of(
    connection: &mut MySqlConnection,
    article: ArticleNumber,
    Version { ms, seq }: Version,
    users: &[i64],
) -> sqlx::Result<u64> {
    let delete = format!(
        "DELETE FROM user_read WHERE user_id IN ({}) AND article_id = {article}
         AND (version_ms, version_seq) <= ({ms}, {seq})",
        list(users.iter().copied())
    );
    Ok(raw_sql(AssertSqlSafe(delete)).execute(connection).await?.rows_affected())
}

/// Deletes the article's counts, except those of kinds that somebody has switched on since.
pub(crate) async fn delete_counts(mysql: &MySqlPool, article: ArticleNumber) -> Result<(), StoreError> {
    for kind in Kind::ALL {
        // If a count was wrong before, it would not be zero now.
        recount(mysql, (article, *kind)).await?;
    }
    retried(mysql, async |connection| {
        let delete = query("DELETE FROM interaction_count WHERE article_id = ? AND count = 0").bind(article.get());
        delete.execute(connection).await
    })
    .await?;
    Ok(())
}

/// Deletes the article's places in the rankings. The job that writes them first locks the row of `trends`, and then asks
/// which articles are deleted.
pub(crate) async fn delete_places(mysql: &MySqlPool, article: ArticleNumber) -> Result<(), StoreError> {
    retried(mysql, async |connection| {
        let mut transaction = connection.begin().await?;
        raw_sql("SELECT kind FROM trends WHERE kind = 0 FOR UPDATE").execute(&mut *transaction).await?;
        query("DELETE FROM ranking WHERE article_id = ?").bind(article.get()).execute(&mut *transaction).await?;
        transaction.commit().await
    })
    .await
}

/// Deletes the article's name, unless rows were written since the deletion. A toggle or a snapshot that found the name a
/// moment ago may still write a row: [`say_again`] and the next snapshot then write the name again.
pub(crate) async fn delete_name(mysql: &MySqlPool, article: ArticleNumber) -> Result<(), StoreError> {
    if !article.is_name() {
        return Ok(());
    }
    retried(mysql, async |connection| {
        let mut transaction = connection.begin().await?;
        // Consumers find the name and write their rows under this lock.
        lock_partitions(&mut transaction, [&Partition::of(article)]).await?;
        query(
            "DELETE FROM name WHERE kind = 'article' AND number = ?
                 AND NOT EXISTS (SELECT 1 FROM interaction WHERE article_id = ?)
                 AND NOT EXISTS (SELECT 1 FROM article_stats WHERE article_id = ?)",
        )
        .bind(article.get())
        .bind(article.get())
        .bind(article.get())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    })
    .await
}

/// Writes the article's present rows of the kinds that MySQL decides into the outbox again. They came while the article was
/// being deleted, and their projection may have been deleted with the rest. Returns the number of rows.
pub(crate) async fn say_again(mysql: &MySqlPool, article: &ArticleId) -> Result<u64, StoreError> {
    let mut said = 0;
    for kind in Kind::of(Truth::Mysql) {
        let users: Vec<i64> = query_scalar("SELECT user_id FROM interaction WHERE article_id = ? AND kind = ?")
            .bind(article.number().get())
            .bind(kind.code())
            .fetch_all(mysql)
            .await?;
        let users: Vec<UserNumber> = users.into_iter().filter_map(|user| user.try_into().ok()).collect();
        let names = Names::of(mysql, users.iter().copied(), []).await?;
        for user in users {
            let pair = Written { kind, user: names.user(user), article: article.clone() };
            toggle(mysql, &pair, false, Cause::Reconcile, None).await?;
            said += 1;
        }
    }
    Ok(said)
}

/// The numbers as a list for SQL.
fn list(numbers: impl Iterator<Item = i64>) -> String {
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(",")
}
