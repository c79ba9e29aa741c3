//! `persister export`: all that is held about a user.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use contract::{Event, UserId};
use rdkafka::Message as _;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{events::each, letter::Letter, selection::Selection};
use crate::{
    ledger::{names, personal, settle::Patience},
    output::json_line,
    store::Stores,
};

#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// The user.
    #[arg(long, value_parser = UserId::read)]
    user: UserId,
    /// How many seconds to wait until relay and consumer have brought recent changes from Redis to MySQL.
    #[arg(long, default_value_t = 60)]
    wait_seconds: u64,
}

/// What Kafka holds, and where.
#[derive(Serialize)]
#[serde(tag = "held", rename_all = "snake_case")]
enum InKafka<'a> {
    Event { topic: &'a str, partition: i32, offset: i64, event: Value },
    DeadLetter { topic: &'a str, partition: i32, offset: i64, reason: &'a str, payload: String },
}

/// A line of JSON for each row, key and record, as it is found.
pub(crate) async fn run(stores: &Stores, options: &ExportOptions, stop: &CancellationToken) -> anyhow::Result<()> {
    let user = &options.user;
    names::are_theirs(&stores.mysql, std::slice::from_ref(user)).await?;
    let mut redis = stores.redis.connect().await?;
    let patience = Patience::new(Duration::from_secs(options.wait_seconds), stop);
    personal::settled(stores, &mut redis, &patience).await.context("nothing was exported")?;
    personal::in_mysql(&stores.mysql, user, &mut |held| json_line(&held)).await?;
    for held in personal::in_redis(&mut redis, user).await? {
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

/// Those that name the user, whether they can be read as events or not.
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
