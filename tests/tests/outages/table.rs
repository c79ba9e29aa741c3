//! The contract's table of what works while a part is down, with how long each answer takes.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, ensure};
use contract::{Kind, Truth};
use futures::future::try_join_all;
use reqwest::Method;
use stack::Service;
use tests::Api;

use crate::{System, alone, assert_refused, in_time, of_redis, path, shown, switch_all};

/// Requests of each kind that are sent at once.
const AT_ONCE: i64 = 8;
const ARTICLE: i64 = 6500;

/// What a client asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Like,
    Favourite,
    View,
    Counters,
    List,
}

const ALL: [(Asked, &str); 5] = [
    (Asked::Like, "a like"),
    (Asked::Favourite, "a favourite"),
    (Asked::View, "a view"),
    (Asked::Counters, "counters"),
    (Asked::List, "a list"),
];

fn favourite() -> Kind {
    Kind::of(Truth::Mysql).next().expect("MySQL decides some")
}

impl Asked {
    fn request(self, number: i64) -> (Method, String) {
        match self {
            Self::Like => (Method::PUT, path(ARTICLE + number, of_redis())),
            Self::Favourite => (Method::PUT, path(ARTICLE + number, favourite())),
            Self::View => (Method::POST, path(ARTICLE + number, "views")),
            Self::Counters => (Method::GET, path(ARTICLE + number, "interactions")),
            Self::List => (Method::GET, format!("/v1/me/{}", favourite().count())),
        }
    }
}

/// What is to be expected of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Good,
    /// From MySQL, and it says so.
    Stale,
    Refused,
}
use Expected::{Good, Refused, Stale};

/// The median and the longest of the times that the answers took, all of which must be as expected.
async fn ask(api: &Api, asked: Asked, expected: Expected) -> Result<(Duration, Duration)> {
    let one = async |number: i64| {
        let (method, path) = asked.request(number);
        let (answer, took) = in_time(api, method, &path, 1 + number).await?;
        if expected == Refused {
            assert_refused(&answer);
        } else {
            ensure!(answer.status == 200, "{path}: {answer:?}");
            ensure!(asked != Asked::Counters || answer.body["stale"] == (expected == Stale), "{path}: {answer:?}");
        }
        Ok(took)
    };
    let mut times = try_join_all((0..AT_ONCE).map(one)).await?;
    times.sort();
    Ok((times[times.len() / 2], times[times.len() - 1]))
}

/// Each request as expected; a line of the table.
async fn row(api: &Api, down: &str, expected: [Expected; 5]) -> Result<String> {
    let mut cells = vec![];
    for ((asked, _), expected) in ALL.into_iter().zip(expected) {
        let (median, longest) = ask(api, asked, expected).await?;
        let word = match expected {
            Good => "",
            Stale => "stale, ",
            Refused => "503, ",
        };
        cells.push(format!("{word}{}, {} ms", median.as_millis(), longest.as_millis()));
    }
    Ok(format!("| {down} | {} |", cells.join(" | ")))
}

/// The parts, and what is to be expected while each is down: of a like, a favourite, a view, counters, a list.
fn parts(system: &System) -> BTreeMap<&'static str, (&Service, [Expected; 5])> {
    let stack = &system.stack;
    [
        ("Kafka", (&*stack.kafka, [Good; 5])),
        ("the persister", (&*stack.persister, [Good; 5])),
        ("MySQL", (&*stack.mariadb, [Good, Refused, Good, Good, Refused])),
        ("Redis", (&*stack.redis, [Refused, Good, Refused, Stale, Good])),
    ]
    .into()
}

#[test]
fn what_works_while_a_part_is_down_or_stalls_and_how_long_an_answer_takes() -> Result<()> {
    alone(async |system, api| {
        let mut model = tests::Model::default();
        for number in 0..AT_ONCE {
            switch_all(&api, &mut model, favourite(), [(1 + number, ARTICLE + number)]).await?;
            shown(&api, &model, (1 + number, ARTICLE + number)).await?;
        }
        let words: Vec<&str> = ALL.iter().map(|(_, word)| *word).collect();
        let head = format!("| down | {} |\n|---|---|---|---|---|---|", words.join(" | "));
        let mut table = vec![head, row(&api, "nothing", [Good; 5]).await?];
        for (name, (part, expected)) in parts(system) {
            part.kill().await?;
            table.push(row(&api, name, expected).await?);
            system.repair().await?;
            part.pause()?;
            table.push(row(&api, &format!("{name}, stalled"), expected).await?);
            part.resume()?;
            system.repair().await?;
        }
        println!("the median and the longest of {AT_ONCE} answers:\n{}", table.join("\n"));
        Ok(())
    })
}
