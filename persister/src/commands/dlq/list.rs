//! `persister dlq list`

use std::collections::BTreeMap;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::options::ListOptions;
use crate::{
    commands::letter::Letter,
    ledger::dead_letters::replayed,
    output::{json_line, line, table, tame},
    store::Stores,
};

/// The characters of a payload that the table shows.
const START: usize = 60;

#[derive(Serialize)]
struct Shown<'a> {
    partition: i32,
    offset: i64,
    at: Option<String>,
    #[serde(flatten)]
    headers: &'a BTreeMap<String, String>,
    replayed: bool,
    payload: String,
}

pub(super) async fn run(stores: &Stores, options: &ListOptions, stop: &CancellationToken) -> anyhow::Result<()> {
    let topic = &stores.kafka.dlq_topic;
    let replayed = replayed(&stores.mysql, topic).await?;
    let mut log = stores.kafka.log(topic, None, stop).await?;
    let mut rows = table(&["offset", "time", "from", "reason", "replayed", "payload"]);
    let mut shown = 0;
    while shown < options.limit
        && let Some(message) = log.next().await?
    {
        let letter = Letter::of(&message);
        if !options.filter.admits(&letter) {
            continue;
        }
        shown += 1;
        let was = replayed.contains(&(letter.partition, letter.offset));
        let at = letter.at.map(|at| at.to_string());
        if options.json {
            let payload = String::from_utf8_lossy(&letter.payload).into_owned();
            let Letter { partition, offset, headers, .. } = &letter;
            // Without the prefix, the headers `partition` and `offset` would hide the place in the queue.
            let headers = headers.iter().map(|(name, value)| (format!("original_{name}"), value.clone()));
            let headers = headers
                .map(
                    |(name, value)| {
                        if name == "original_reason" { ("reason".to_owned(), value) } else { (name, value) }
                    },
                )
                .collect();
            json_line(&Shown {
                partition: *partition,
                offset: *offset,
                at,
                headers: &headers,
                replayed: was,
                payload,
            })?;
        } else {
            rows.add_row([
                letter.offset.to_string(),
                at.unwrap_or_default(),
                tame(letter.origin().as_bytes(), START),
                tame(letter.header("reason").as_bytes(), START),
                if was { "yes" } else { "no" }.to_owned(),
                tame(&letter.payload, START),
            ]);
        }
    }
    if !options.json {
        line(rows)?;
        line(format_args!("{shown} shown"))?;
    }
    Ok(())
}
