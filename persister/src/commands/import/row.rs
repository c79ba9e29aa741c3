//! A row of another system, and its meaning.

use std::collections::BTreeMap;

use contract::{ArticleId, Kind, UserId, Written};
use jiff::{Timestamp, civil::DateTime, tz::Offset};

use crate::ledger::import::Counted;

/// The meaning of a row.
#[derive(Debug)]
pub(super) enum Row {
    /// A pair that is on since this time.
    Pair(Written, Timestamp),
    /// An article's counters.
    Counters(Counted),
}

/// The columns that `import` reads. It ignores all others.
pub(super) const COLUMNS: [&str; 6] = ["kind", "user_id", "article_id", "at", "pv", "reads"];

/// A row's values by column. NULL and empty values are left out.
pub(super) type Fields = BTreeMap<String, String>;

/// Reads a row. `kind` is the kind of a row without one. The error is a reason for people.
pub(super) fn read(fields: &Fields, kind: Option<Kind>, now: Timestamp) -> Result<Row, String> {
    let of = |column: &str| fields.get(column).map(String::as_str);
    let article: ArticleId = id("article_id", of("article_id"))?;
    if of("user_id").is_none() && (of("pv").is_some() || of("reads").is_some()) {
        let count = |column| count(column, of(column).unwrap_or("0"));
        return Ok(Row::Counters(Counted { article, pv: count("pv")?, reads: count("reads")? }));
    }
    let user: UserId = id("user_id", of("user_id"))?;
    let kind = match of("kind") {
        Some(name) => name.parse().map_err(|_| format!("kind: `{name}` is not one of {}", kinds()))?,
        None => kind.ok_or("kind: the row has none; set --kind")?,
    };
    let at = of("at").ok_or("at: the row has no time")?;
    Ok(Row::Pair(Written { kind, user, article }, time(at, now)?))
}

fn kinds() -> String {
    Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

fn id<T: std::str::FromStr<Err: std::fmt::Display>>(column: &str, text: Option<&str>) -> Result<T, String> {
    let text = text.ok_or_else(|| format!("{column}: the row has none"))?;
    text.parse().map_err(|error| format!("{column}: {error}"))
}

/// The greatest count that a script in Redis reads exactly: its numbers are doubles.
const LARGEST: u64 = (1 << 53) - 1;

/// A count of an article.
fn count(column: &str, text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number <= LARGEST);
    number.ok_or_else(|| format!("{column}: `{text}` is not a whole number from 0 to {LARGEST}"))
}

/// A time in RFC 3339, or in UTC as MySQL prints it.
fn time(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let utc = || Offset::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    let at: Timestamp = text.parse().ok().or_else(utc).ok_or_else(|| {
        format!("at: `{text}` is not a time such as 2026-11-22T12:00:00Z, or 2026-11-22 12:00:00 in UTC")
    })?;
    if at.as_millisecond() < 1 {
        return Err(format!("at: {at} is not after 1970-01-01T00:00:00Z"));
    }
    if at > now {
        return Err(format!("at: {at} is in the future"));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &[(&str, &str)]) -> Result<Row, String> {
        let fields = columns.iter().map(|(column, value)| ((*column).to_owned(), (*value).to_owned())).collect();
        read(&fields, None, "2026-11-22T12:00:00Z".parse().expect("a time"))
    }

    fn at(text: &str) -> Result<i64, String> {
        match row(&[("kind", "like"), ("user_id", "7"), ("article_id", "42"), ("at", text)])? {
            Row::Pair(_, at) => Ok(at.as_millisecond()),
            Row::Counters(_) => unreachable!("it has a user"),
        }
    }

    #[test]
    fn a_time_is_rfc_3339_or_as_mysql_prints_it() {
        for text in ["2026-11-21T12:00:00.5Z", "2026-11-21T13:00:00.5+01:00", "2026-11-21 12:00:00.500"] {
            assert_eq!(at(text), Ok(1_795_262_400_500), "{text}");
        }
    }

    #[test]
    fn a_row_that_makes_no_sense_says_why() {
        let pair = |column: &str, value: &str| {
            let mut columns =
                vec![("kind", "like"), ("user_id", "7"), ("article_id", "42"), ("at", "2026-11-21 12:00:00")];
            columns.retain(|(name, _)| *name != column);
            if !value.is_empty() {
                columns.push((column, value));
            }
            row(&columns).expect_err("a reason").split(' ').next().map(str::to_owned)
        };
        for (column, value) in [
            ("kind", ""),
            ("kind", "hearts"),
            ("user_id", ""),
            ("user_id", "a b"),
            ("article_id", "#"),
            ("at", ""),
            ("at", "yesterday"),
            ("at", "0000-00-00 00:00:00"),
            ("at", "1969-12-31 23:59:59"),
            ("at", "1970-01-01 00:00:00"),
            ("at", "2026-11-22T12:00:01Z"),
        ] {
            assert_eq!(pair(column, value), Some(format!("{column}:")), "{column} {value}");
        }
        assert!(row(&[("article_id", "42"), ("pv", "-1")]).is_err());
        assert!(row(&[("article_id", "42"), ("reads", "9223372036854775808")]).is_err());
        assert!(row(&[("article_id", "42")]).is_err());
    }

    #[test]
    fn a_row_without_a_user_is_an_articles_counters() {
        let Ok(Row::Counters(of)) = row(&[("article_id", "a-slug"), ("pv", "12")]) else { panic!("counters") };
        assert_eq!((of.article.to_string().as_str(), of.pv, of.reads), ("a-slug", 12, 0));
    }
}
