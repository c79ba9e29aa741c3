//! What was done with each article on each day of UTC, and the page views and visitors that the rankings do not have yet.
//!
//! Adding to these tables is not idempotent by itself. So each writer adds in the transaction that records what was added: the
//! job `trends` in that of its checkpoint, the snapshot in that of the counters.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use contract::{ArticleNumber, Counter, Version};
use jiff::{Timestamp, civil::Date, tz::Offset};
use sqlx::{AssertSqlSafe, MySqlConnection, MySqlExecutor, MySqlPool, query, query_as, query_scalar, raw_sql};

use super::statements::Rows;
use crate::store::StoreError;

/// Rows of one statement.
const TOGETHER: usize = 1000;
/// Rows that one statement looks at.
const SLICE: u64 = 5000;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// A day of UTC: the number of days since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Day(u32);

impl Day {
    pub(crate) fn of_ms(ms: u64) -> Self {
        Self(u32::try_from(ms / DAY_MS).unwrap_or(u32::MAX))
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Its midnight.
    pub(crate) fn begin(self) -> Timestamp {
        Timestamp::from_second(i64::from(self.0) * 86_400).unwrap_or(Timestamp::MAX)
    }

    fn date(self) -> Date {
        Offset::UTC.to_datetime(self.begin()).date()
    }
}

impl fmt::Display for Day {
    /// As MySQL reads a DATE.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.date())
    }
}

/// How often a counter of an article was raised, and how often lowered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) gained: i64,
    pub(crate) lost: i64,
    /// The version of the first of these changes.
    pub(crate) first: Version,
}

/// The changes to add, in the order of the primary key. The last part of the key is a counter's code.
pub(crate) type Changes = BTreeMap<(ArticleNumber, Day, u8), Moved>;

/// The page views and visitors of an article that a snapshot found within a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Viewed {
    /// The number of minutes since 1970, by MySQL's clock.
    pub(crate) minute: u32,
    pub(crate) article: ArticleNumber,
    pub(crate) pv: i64,
    pub(crate) uv: i64,
}

/// The version of each article's first change.
pub(super) fn firsts(changes: &Changes) -> BTreeMap<ArticleNumber, Version> {
    let mut firsts: BTreeMap<ArticleNumber, Version> = BTreeMap::new();
    for ((article, ..), moved) in changes {
        let first = firsts.entry(*article).or_insert(moved.first);
        *first = moved.first.min(*first);
    }
    firsts
}

/// Adds changes to their days. Leaves out all changes of an article that was deleted after the first of them, even changes from
/// after the deletion. The changes are those of seconds or minutes, or of a day while the job catches up.
pub(super) async fn add(
    connection: &mut MySqlConnection,
    changes: &Changes,
    deleted: &BTreeSet<i64>,
) -> sqlx::Result<()> {
    let kept: Vec<_> = changes.iter().filter(|((article, ..), _)| !deleted.contains(&article.get())).collect();
    for some in kept.chunks(TOGETHER) {
        let mut rows = Rows::new("INSERT INTO history (article_id, day, counter, gained, lost)");
        for ((article, day, counter), Moved { gained, lost, .. }) in some {
            rows.push(format_args!("({article},'{day}',{counter},{gained},{lost})"));
        }
        run(connection, rows.finish("gained = gained + VALUES(gained), lost = lost + VALUES(lost)")).await?;
    }
    Ok(())
}

/// Adds what a snapshot found to the history, by MySQL's day, and to what the rankings have to count.
pub(super) async fn add_viewed(connection: &mut MySqlConnection, viewed: &[Viewed]) -> sqlx::Result<()> {
    let mut changes = Changes::new();
    for Viewed { minute, article, pv, uv } in viewed {
        let today = Day::of_ms(u64::from(*minute) * MINUTE_MS);
        for (counter, gained) in [(Counter::Pv, *pv), (Counter::Uv, *uv)] {
            if gained > 0 {
                changes.insert((*article, today, counter.code()), Moved { gained, ..Moved::default() });
            }
        }
    }
    add(connection, &changes, &BTreeSet::new()).await?;
    run(connection, write_viewed(viewed, 1)).await
}

fn write_viewed(viewed: &[Viewed], sign: i64) -> Option<String> {
    let mut rows = Rows::new("INSERT INTO viewed (minute, article_id, pv, uv)");
    for Viewed { minute, article, pv, uv } in viewed {
        rows.push(format_args!("({minute},{article},{},{})", sign * pv, sign * uv));
    }
    rows.finish("pv = pv + VALUES(pv), uv = uv + VALUES(uv)")
}

/// Page views and visitors that the rankings do not have yet, oldest first, at most `most` rows.
pub(crate) async fn viewed(mysql: &MySqlPool, most: usize) -> Result<Vec<Viewed>, StoreError> {
    let sql = "SELECT minute, article_id, pv, uv FROM viewed ORDER BY minute, article_id LIMIT ?";
    let rows: Vec<(u32, i64, i64, i64)> =
        query_as(sql).bind(u32::try_from(most).unwrap_or(u32::MAX)).fetch_all(mysql).await?;
    let viewed = |(minute, article, pv, uv): (u32, i64, i64, i64)| {
        Some(Viewed { minute, article: article.try_into().ok()?, pv, uv })
    };
    Ok(rows.into_iter().filter_map(viewed).collect())
}

/// Subtracts what the rankings have now. A snapshot may have added more meanwhile.
pub(super) async fn take_viewed(connection: &mut MySqlConnection, viewed: &[Viewed]) -> sqlx::Result<()> {
    for some in viewed.chunks(TOGETHER / 2) {
        run(connection, write_viewed(some, -1)).await?;
        let keys: Vec<String> = some.iter().map(|viewed| format!("({},{})", viewed.minute, viewed.article)).collect();
        let keys = keys.join(",");
        let delete = format!("DELETE FROM viewed WHERE (minute, article_id) IN ({keys}) AND pv = 0 AND uv = 0");
        run(connection, Some(delete)).await?;
    }
    Ok(())
}

/// Forgets the days from `since` to `until` as they were counted in the stream, because they are counted again. Page views
/// and visitors stay.
pub(crate) async fn forget_counted(mysql: &MySqlPool, since: Day, until: Day) -> Result<(), StoreError> {
    let (pv, uv) = (Counter::Pv.code(), Counter::Uv.code());
    let mut day = since;
    while day <= until {
        let mut after = 0;
        loop {
            let rows = format!("FROM history WHERE day = '{day}' AND article_id > {after}");
            let slice = format!(
                "SELECT MAX(article_id) FROM (SELECT article_id {rows} ORDER BY article_id LIMIT {SLICE}) slice"
            );
            let Some(last) = query_scalar::<_, Option<i64>>(AssertSqlSafe(slice)).fetch_one(mysql).await? else {
                break;
            };
            let delete = format!("DELETE {rows} AND article_id <= {last} AND counter NOT IN ({pv}, {uv})");
            raw_sql(AssertSqlSafe(delete)).execute(mysql).await?;
            after = last;
        }
        day = day.next();
    }
    Ok(())
}

/// Deletes rows older than `days`, a few thousand in each call, so that a backlog never makes a long transaction.
pub(crate) async fn forget_old(mysql: impl MySqlExecutor<'_>, days: u32) -> Result<(), StoreError> {
    query("DELETE FROM history WHERE day < UTC_DATE() - INTERVAL ? DAY LIMIT 5000").bind(days).execute(mysql).await?;
    Ok(())
}

/// Deletes all rows of an article: a few for each day that is kept. First waits for a checkpoint that is being written, which
/// may not know of the deletion.
pub(super) async fn forget_article(connection: &mut MySqlConnection, article: ArticleNumber) -> sqlx::Result<()> {
    run(connection, Some("SELECT writes FROM trends WHERE kind = 0 FOR UPDATE".to_owned())).await?;
    for table in ["history", "viewed"] {
        let delete = format!("DELETE FROM {table} WHERE article_id = {article}");
        run(connection, Some(delete)).await?;
    }
    Ok(())
}

async fn run(connection: &mut MySqlConnection, statement: Option<String>) -> sqlx::Result<()> {
    if let Some(statement) = statement {
        raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_utc_begins_at_midnight() {
        let day = |time: &str| {
            let at: Timestamp = time.parse().expect("a time");
            Day::of_ms(at.as_millisecond().unsigned_abs())
        };
        assert_eq!(day("2026-11-29T00:00:00Z").to_string(), "2026-11-29");
        assert_eq!(day("2026-11-29T23:59:59.999Z").to_string(), "2026-11-29");
        assert_eq!(day("2026-11-28T23:59:59.999Z").next(), day("2026-11-29T00:00:00Z"));
        assert_eq!(day("2028-02-29T12:00:00Z").to_string(), "2028-02-29");
        assert_eq!(Day::of_ms(u64::MAX).to_string(), "9999-12-30", "whatever a version is, it is a DATE");
    }
}
