//! The statements that write a batch, several rows each.
//!
//! Writes are sent as text with their values inside: measured on MariaDB 10.11, a multi-row VALUES takes a third of the
//! time of INSERT … SELECT from `JSON_TABLE`. All values are numbers and times printed here; no text of an event gets
//! into a statement.
//!
//! `ON DUPLICATE KEY UPDATE` assigns from left to right
//! (<https://dev.mysql.com/doc/refman/8.4/en/insert-on-duplicate.html>), so the version columns, which the conditions
//! read, come last; `version_seq` before `version_ms`, since it alone needs the comparison of both. `VALUES(column)` is
//! the spelling that MySQL and MariaDB share.

use std::{collections::BTreeMap, fmt::Write as _};

use contract::{ArticleId, Partition, Version};
use jiff::{Timestamp, civil::DateTime, tz::Offset};

use super::{
    batch::{Latest, Like},
    pair::Pair,
};

/// `VALUES (…),(…)` of rows, or nothing where there are none.
struct Rows(String);

impl Rows {
    fn new(insert: &str) -> Self {
        Self(format!("{insert} VALUES "))
    }

    fn push(&mut self, row: std::fmt::Arguments<'_>) {
        if self.0.ends_with(')') {
            self.0.push(',');
        }
        let _ = self.0.write_fmt(row);
    }

    fn finish(mut self, on_duplicate: &str) -> Option<String> {
        if !self.0.ends_with(')') {
            return None;
        }
        self.0.push_str(" ON DUPLICATE KEY UPDATE ");
        self.0.push_str(on_duplicate);
        Some(self.0)
    }
}

/// `2026-11-22T12:00:00.123`, in UTC.
fn time(at: Timestamp) -> DateTime {
    Offset::UTC.to_datetime(at)
}

pub(crate) fn write_likes(likes: &[(Pair, Like)]) -> Option<String> {
    let mut rows =
        Rows::new("INSERT INTO user_like (user_id, article_id, status, version_ms, version_seq, updated_at)");
    for ((user, article), Like { version, on, at }) in likes {
        let (Version { ms, seq }, status) = (version, u8::from(*on));
        rows.push(format_args!("({user},{article},{status},{ms},{seq},'{:.3}')", time(*at)));
    }
    rows.finish(
        "status = IF((VALUES(version_ms), VALUES(version_seq)) > (version_ms, version_seq), VALUES(status), status),
         updated_at = IF((VALUES(version_ms), VALUES(version_seq)) > (version_ms, version_seq),
                         VALUES(updated_at), updated_at),
         version_seq = IF((VALUES(version_ms), VALUES(version_seq)) > (version_ms, version_seq),
                          VALUES(version_seq), version_seq),
         version_ms = GREATEST(version_ms, VALUES(version_ms))",
    )
}

pub(crate) fn write_user_reads(reads: &BTreeMap<Pair, Latest<Timestamp>>) -> Option<String> {
    let mut rows = Rows::new("INSERT INTO user_read (user_id, article_id, last_read_at, version_ms, version_seq)");
    for ((user, article), Latest { version: Version { ms, seq }, value }) in reads {
        rows.push(format_args!("({user},{article},'{:.3}',{ms},{seq})", time(*value)));
    }
    rows.finish(
        "last_read_at = IF((VALUES(version_ms), VALUES(version_seq)) > (version_ms, version_seq),
                           VALUES(last_read_at), last_read_at),
         version_seq = IF((VALUES(version_ms), VALUES(version_seq)) > (version_ms, version_seq),
                          VALUES(version_seq), version_seq),
         version_ms = GREATEST(version_ms, VALUES(version_ms))",
    )
}

/// Writes the articles' reads and the counts that grow. Snapshots may be ahead of events, so reads never decrease. The
/// statement also locks each article whose count falls: [`LOWER_COUNTS`] finds all its rows locked, in their order.
pub(crate) fn write_stats(
    deltas: &BTreeMap<ArticleId, i64>,
    reads: &BTreeMap<ArticleId, Latest<u64>>,
) -> Option<String> {
    let mut articles: Vec<ArticleId> = deltas.keys().chain(reads.keys()).copied().collect();
    articles.sort_unstable();
    articles.dedup();
    let mut rows = Rows::new(
        "INSERT INTO article_stats
             (article_id, like_count, read_count, read_version_ms, read_version_seq, updated_at)",
    );
    for article in articles {
        // A negative count in VALUES fails the table's CHECK even where the row exists and the sum would not.
        let more = deltas.get(&article).copied().unwrap_or_default().max(0);
        let none = Latest { version: Version::default(), value: 0 };
        let Latest { version: Version { ms, seq }, value } = reads.get(&article).copied().unwrap_or(none);
        rows.push(format_args!("({article},{more},{value},{ms},{seq},UTC_TIMESTAMP(3))"));
    }
    rows.finish(
        "like_count = like_count + VALUES(like_count),
         read_count = IF((VALUES(read_version_ms), VALUES(read_version_seq)) > (read_version_ms, read_version_seq),
                         GREATEST(read_count, VALUES(read_count)), read_count),
         read_version_seq = IF((VALUES(read_version_ms), VALUES(read_version_seq)) > (read_version_ms, read_version_seq),
                               VALUES(read_version_seq), read_version_seq),
         read_version_ms = GREATEST(read_version_ms, VALUES(read_version_ms)),
         updated_at = VALUES(updated_at)",
    )
}

/// Takes from the counts what the JSON array of (article, how many) says. A count that is too low already is no reason to
/// refuse a change of status: it stays at zero, and reconciling counts again.
pub(crate) const LOWER_COUNTS: &str = "
    UPDATE JSON_TABLE(?, '$[*]' COLUMNS (article_id BIGINT PATH '$[0]', fewer BIGINT PATH '$[1]')) e
    STRAIGHT_JOIN article_stats s ON s.article_id = e.article_id
    SET s.like_count = GREATEST(s.like_count - e.fewer, 0)";

pub(crate) fn write_seen(seen: &BTreeMap<Partition, Version>) -> Option<String> {
    let mut rows = Rows::new("INSERT INTO partition_state (p, version_ms, version_seq)");
    for (partition, Version { ms, seq }) in seen {
        rows.push(format_args!("({partition},{ms},{seq})"));
    }
    rows.finish(
        "version_seq = IF((VALUES(version_ms), VALUES(version_seq)) > (version_ms, version_seq),
                          VALUES(version_seq), version_seq),
         version_ms = GREATEST(version_ms, VALUES(version_ms))",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rows_make_no_statement() {
        assert_eq!(write_likes(&[]), None);
        assert_eq!(write_seen(&BTreeMap::new()), None);
    }

    #[test]
    fn rows_are_numbers_and_times() {
        let pair: Pair = (7.try_into().expect("positive"), 42.try_into().expect("positive"));
        let at = Timestamp::from_millisecond(1_763_800_000_123).expect("in range");
        let like = Like { version: Version { ms: 5, seq: 1 }, on: true, at };
        let sql = write_likes(&[(pair, like), (pair, like)]).expect("rows");
        let row = "(7,42,1,5,1,'2025-11-22T08:26:40.123')";
        assert!(sql.contains(&format!("VALUES {row},{row} ON DUPLICATE")), "{sql}");
    }

    #[test]
    fn a_falling_count_is_locked_but_not_inserted_below_zero() {
        let deltas = [(42.try_into().expect("positive"), -3)].into();
        let sql = write_stats(&deltas, &BTreeMap::new()).expect("rows");
        assert!(sql.contains("VALUES (42,0,0,0,0,"), "{sql}");
    }
}
