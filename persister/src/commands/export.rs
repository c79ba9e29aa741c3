//! `persister export`: all that is held about a user, or a part of the whole state.

use std::{io, time::Duration};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use contract::{Event, UserId};
use rdkafka::Message as _;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{events::each, letter::Letter, selection::Selection};
use crate::{
    ledger::{
        names, personal,
        settle::Patience,
        state::{self, Part},
    },
    output::{json_line, progress},
    store::{Stores, servers::Servers},
};

/// What to export.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The user.
    #[arg(long, value_parser = UserId::read)]
    user: Option<UserId>,
    /// What everybody has on, every article's counters, the bars, or every article's history by day, as CSV.
    #[arg(long)]
    table: Option<Table>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Table {
    /// Columns kind, `user_id`, `article_id`, at.
    Interactions,
    /// Columns `article_id`, pv, uv, reads.
    Counters,
    /// Columns `user_id`, since, reason.
    Bars,
    /// Columns `article_id`, day, counter, gained, lost.
    History,
}

impl Table {
    const fn part(self) -> Part {
        match self {
            Self::Interactions => Part::Interactions,
            Self::Counters => Part::Counters,
            Self::Bars => Part::Bars,
            Self::History => Part::History,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    #[command(flatten)]
    what: What,
    /// How many seconds to wait until relay and consumer have brought recent changes from Redis to MySQL.
    #[arg(long, default_value_t = 60)]
    wait_seconds: u64,
}

/// A record of Kafka, and its place.
#[derive(Serialize)]
#[serde(tag = "held", rename_all = "snake_case")]
enum InKafka<'a> {
    Event { topic: &'a str, partition: i32, offset: i64, event: Value },
    DeadLetter { topic: &'a str, partition: i32, offset: i64, reason: &'a str, payload: String },
}

pub(crate) async fn run(stores: &Stores, options: &ExportOptions, stop: &CancellationToken) -> anyhow::Result<()> {
    if let Some(user) = &options.what.user {
        names::are_theirs(&stores.mysql, std::slice::from_ref(user)).await?;
    }
    let mut redis = stores.redis.reach(stop).await?;
    let patience = Patience::new(Duration::from_secs(options.wait_seconds), stop);
    personal::settled(stores, &mut redis, &patience).await.context("nothing was exported")?;
    match (&options.what.user, options.what.table) {
        (Some(user), _) => of_user(stores, &mut redis, user, stop).await,
        (None, table) => whole(stores, table.unwrap_or(Table::Interactions), stop).await,
    }
}

/// Prints a table as CSV, as of one moment.
async fn whole(stores: &Stores, table: Table, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_writer(io::stdout().lock());
    let bar = progress(table.part().size(&stores.mysql).await?, "exporting");
    let mut row = |row: &[&str]| {
        ensure!(!stop.is_cancelled(), "stopped before all was exported");
        bar.inc(1);
        Ok(out.write_record(row)?)
    };
    match table {
        Table::Interactions => {
            row(&["kind", "user_id", "article_id", "at"])?;
            state::interactions(&stores.mysql, &mut |kind, user, article, at| row(&[kind, user, article, at])).await?;
        }
        Table::Counters => {
            row(&["article_id", "pv", "uv", "reads"])?;
            state::counters(&stores.mysql, &mut |article, [pv, uv, reads]| row(&[article, pv, uv, reads])).await?;
        }
        Table::Bars => {
            row(&["user_id", "since", "reason"])?;
            state::bars(&stores.mysql, &mut |user, since, reason| row(&[user, since, reason])).await?;
        }
        Table::History => {
            row(&["article_id", "day", "counter", "gained", "lost"])?;
            state::history(&stores.mysql, &mut |article, day, counter, [gained, lost]| {
                row(&[article, day, counter, gained, lost])
            })
            .await?;
        }
    }
    bar.finish_and_clear();
    Ok(out.flush()?)
}

/// Prints a line of JSON for each row, key and record, as soon as it is found.
async fn of_user(stores: &Stores, redis: &mut Servers, user: &UserId, stop: &CancellationToken) -> anyhow::Result<()> {
    personal::in_mysql(&stores.mysql, user, &mut |held| json_line(&held)).await?;
    for held in personal::in_redis(redis, user).await? {
        json_line(&held)?;
    }
    each(stores, &Selection::of_user(user.clone()), stop, |event, message| {
        let event = serde_json::from_slice(&event.to_json())?;
        let (partition, offset) = (message.partition(), message.offset());
        json_line(&InKafka::Event { topic: &stores.kafka.topic, partition, offset, event })
    })
    .await?;
    dead_letters(stores, user, stop).await
}

/// Prints the dead letters that name the user, including those that cannot be read as events.
async fn dead_letters(stores: &Stores, user: &UserId, stop: &CancellationToken) -> anyhow::Result<()> {
    let topic = &stores.kafka.dlq_topic;
    let mut log = stores.kafka.log(topic, None, stop).await?;
    while let Some(message) = log.next().await? {
        let letter = Letter::of(&message);
        if names(&letter, user) {
            let payload = String::from_utf8_lossy(&letter.payload).into_owned();
            let (partition, offset, reason) = (letter.partition, letter.offset, letter.header("reason"));
            json_line(&InKafka::DeadLetter { topic, partition, offset, reason, payload })?;
        }
    }
    Ok(())
}

fn names(letter: &Letter, user: &UserId) -> bool {
    let of_event = |event: Event| event.user.is_some_and(|of| of.number() == user.number());
    letter.event().map_or_else(
        |_| {
            let fields: Option<Value> = serde_json::from_slice(&letter.payload).ok();
            fields.is_some_and(|fields| fields["user_id"] == *user.to_string())
        },
        of_event,
    )
}
