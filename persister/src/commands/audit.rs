//! `persister audit`: who did what, when, from where.

use clap::Args;
use contract::{Change, Event};
use rdkafka::Message as _;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{events::each, selection::Selection};
use crate::{
    output::{counted, json_line, line, tame},
    store::Stores,
};

const LONGEST: usize = 64;

#[derive(Debug, Args)]
pub(crate) struct AuditOptions {
    #[command(flatten)]
    selection: Selection,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// An event and its place in Kafka.
#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    event: serde_json::Value,
    kafka_partition: i32,
    kafka_offset: i64,
}

/// Reads the topic once and prints selected events in Kafka's order, which within an article is mostly by time.
pub(crate) async fn run(stores: &Stores, options: &AuditOptions, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut found = 0_u64;
    if !options.json {
        line(format_args!(
            "{:<24} {:<19} {:<19} {:<10} {:<9} {:<20} {:<16} {}",
            "TIME", "USER", "ARTICLE", "ACTION", "CAUSE", "VERSION", "IP HASH", "REQUEST"
        ))?;
    }
    each(stores, &options.selection, stop, |event, message| {
        found += 1;
        if options.json {
            let event = serde_json::from_slice(&event.to_json())?;
            json_line(&Found { event, kafka_partition: message.partition(), kafka_offset: message.offset() })
        } else {
            row(event)
        }
    })
    .await?;
    if options.json { Ok(()) } else { line(counted(found, "event")) }
}

fn row(event: &Event) -> anyhow::Result<()> {
    let action = match event.change {
        Change::Switch(kind, true) => kind.to_string(),
        Change::Switch(kind, false) => format!("un{kind}"),
        Change::Read(_) => "read".to_owned(),
    };
    line(format_args!(
        "{:<24} {:<19} {:<19} {:<10} {:<9} {:<20} {:<16} {}",
        event.occurred_at.to_string(),
        event.user.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        event.article.to_string(),
        action,
        event.cause.word(),
        event.version.to_string(),
        tame(event.ip_hash.as_bytes(), LONGEST),
        tame(event.request_id.as_bytes(), LONGEST),
    ))
}
