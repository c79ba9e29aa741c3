//! What was done with an article on each of the last days, from the table that the persister's jobs `trends` and
//! `snapshot` write.

use std::{collections::HashMap, str::FromStr};

use contract::{ArticleId, Counter, Kind};
use handler_common::{
    Call, Problem, Reply,
    mysql::{self, integer, integers, text},
};
use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};
use spin_sdk::mysql::ParameterValue;

use crate::{interactions::answer, settings::Settings};

const BY: &str = "by is day.";
const DAYS: &str = "days is a number from 1 to 366.";

/// The days of an answer, if the caller does not say how many, and the most of them.
const DEFAULT_DAYS: i64 = 30;
const MAX_DAYS: i64 = 366;

/// The only unit of time that there is.
struct By;

impl FromStr for By {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        if text == "day" { Ok(Self) } else { Err(Problem::BadQuery(BY)) }
    }
}

/// How many days, from 1 to 366. Today is the last of them.
#[derive(Debug)]
struct Days(i64);

impl FromStr for Days {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        // Written like the number of an id: digits alone.
        let days: contract::ArticleNumber = text.parse().map_err(|_| Problem::BadQuery(DAYS))?;
        Some(Self(days.get())).filter(|days| days.0 <= MAX_DAYS).ok_or(Problem::BadQuery(DAYS))
    }
}

#[derive(Serialize)]
struct History {
    article_id: ArticleId,
    days: Vec<Day>,
}

/// A day, and how often each counter was raised and lowered on it.
struct Day {
    date: String,
    moved: HashMap<Counter, (i64, i64)>,
}

impl Serialize for Day {
    /// Written by hand, because the kinds name the fields.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let of = |counter| self.moved.get(&counter).copied().unwrap_or_default();
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("day", &self.date)?;
        for kind in Kind::ALL.iter().copied() {
            let (on, off) = of(Counter::Of(kind));
            fields.serialize_entry(kind.on(), &on)?;
            fields.serialize_entry(&kind.off(), &off)?;
        }
        for (name, counter) in [("views", Counter::Pv), ("new_visitors", Counter::Uv), ("reads", Counter::Reads)] {
            fields.serialize_entry(name, &of(counter).0)?;
        }
        fields.end()
    }
}

/// One row for each counter, because each row costs a call of Spin, and a row of counter 0 that has the number of today.
/// A text has up to 366 times three numbers: 16,000 characters are enough for numbers of 18 digits each.
const SQL: &str = "
    SELECT CAST(0 AS SIGNED) AS counter, CAST(TO_DAYS(UTC_DATE()) - TO_DAYS('1970-01-01') AS CHAR(16000)) AS days
    UNION ALL
    SELECT CAST(counter AS SIGNED),
           CAST(GROUP_CONCAT(CONCAT_WS(',', TO_DAYS(UTC_DATE()) - TO_DAYS(day), gained, lost)) AS CHAR(16000))
    FROM history
    WHERE article_id = ? AND day > UTC_DATE() - INTERVAL ? DAY AND day <= UTC_DATE()
    GROUP BY counter";

/// `GET /v1/articles/{id}/history?by=day&days=30`
pub(crate) async fn history(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let (article, user) = (call.article()?, call.user()?);
    call.query::<By>("by", BY)?;
    let Days(count) = call.query("days", DAYS)?.unwrap_or(Days(DEFAULT_DAYS));
    let number = article.number().get();
    let parameters = |_| vec![ParameterValue::Int64(number), ParameterValue::Int64(count)];
    let rows = mysql::query(&settings.mysql_url, call.deadline, SQL, &parameters).await?;
    let mut texts = Vec::with_capacity(rows.len());
    for row in &rows {
        texts.push((integer(row, "counter")?, text(row, "days")?));
    }
    let days = days(&texts, count).ok_or(Problem::StoreUnavailable)?;
    Ok(answer(call, settings, user.as_ref(), Reply::json(&History { article_id: article, days })))
}

/// The days up to today, oldest first.
fn days(rows: &[(i64, String)], count: i64) -> Option<Vec<Day>> {
    let (_, today) = rows.iter().find(|(counter, _)| *counter == 0)?;
    let today: i64 = today.parse().ok()?;
    let mut days = Vec::new();
    for day in today - count + 1..=today {
        days.push(Day { date: date(day)?, moved: HashMap::new() });
    }
    for (counter, text) in rows {
        // A counter of a newer release is left out.
        let Some(counter) = u8::try_from(*counter).ok().and_then(Counter::from_code) else { continue };
        let numbers = integers(text)?;
        let (moved, []) = numbers.as_chunks() else { return None };
        for &[ago, gained, lost] in moved {
            let day = days.len().checked_sub(1 + usize::try_from(ago).ok()?).and_then(|place| days.get_mut(place))?;
            day.moved.insert(counter, (gained, lost));
        }
    }
    Some(days)
}

/// A day by its number since 1970, such as `2026-11-29`.
fn date(day: i64) -> Option<String> {
    let mut text = Timestamp::from_second(day.checked_mul(86_400)?).ok()?.to_string();
    text.truncate(10);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(u8, &str)]) -> Vec<(i64, String)> {
        rows.iter().map(|(counter, text)| ((*counter).into(), (*text).to_owned())).collect()
    }

    #[test]
    fn each_day_has_every_counter_and_a_day_without_changes_has_zeros() {
        let (like, pv) = (Counter::Of(Kind::Like).code(), Counter::Pv.code());
        let days =
            days(&rows(&[(0, "20786"), (like, "0,3,1,2,5,0"), (pv, "1,17,0"), (199, "0,9,9")]), 3).expect("days");
        let days = serde_json::to_value(&days).expect("it serialises");
        let of = |place: usize, field: &str| days[place][field].clone();
        assert_eq!([of(0, "day"), of(1, "day"), of(2, "day")], ["2026-11-27", "2026-11-28", "2026-11-29"]);
        assert_eq!([of(0, "liked"), of(1, "liked"), of(2, "liked"), of(2, "unliked")], [5, 0, 3, 1]);
        assert_eq!([of(1, "views"), of(2, "views"), of(1, "new_visitors"), of(1, "reads")], [17, 0, 0, 0]);
        for day in days.as_array().expect("a list") {
            assert_eq!(day.as_object().map(serde_json::Map::len), Some(4 + 2 * Kind::COUNT), "{day}");
        }
    }

    #[test]
    fn what_is_no_row_of_a_history_is_none() {
        for bad in [
            &[(1, "0,1,1")][..],
            &[(0, "x")],
            &[(0, "9"), (1, "0,1")],
            &[(0, "9"), (1, "3,1,1")],
            &[(0, "9"), (1, "-1,1,1")],
        ] {
            assert!(days(&rows(bad), 3).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn there_are_1_to_366_days() {
        for (text, right) in [
            ("1", true),
            ("30", true),
            ("366", true),
            ("367", false),
            ("0", false),
            ("-1", false),
            ("1.5", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<Days>().is_ok(), right, "{text}");
        }
        assert!("day".parse::<By>().is_ok() && "week".parse::<By>().is_err() && "Day".parse::<By>().is_err());
    }
}
