//! What is selected, and what becomes of it.

use std::collections::BTreeMap;

use contract::{Cause, Change, Pair, Truth, Version, Written};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::MySqlPool;
use tokio_util::sync::CancellationToken;

use crate::{
    commands::{events::each, selection::Selection},
    ledger::rows::rows_of,
    store::{StoreError, Stores},
};

/// Pairs that are worked on at once, and where they are held, so for how long: until MySQL has caught up.
pub(super) const TOGETHER: usize = 5000;

/// The latest selected event of a pair that switched it on.
#[derive(Debug, Clone)]
pub(super) struct Selected {
    pub(super) written: Written,
    pub(super) version: Version,
    pub(super) at: Timestamp,
    pub(super) ip_hash: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It is on because of the selected event; nothing was done.
    WouldUndo,
    /// MySQL has not applied the event yet, or its user was erased since; nothing was done.
    NotInMysql,
    /// It was on and was switched off.
    Undone,
    /// It is not on because of the selected event: its user switched it off, or off and on, or it was undone.
    ChangedSince,
    /// Another revoke holds it.
    Busy,
    /// MySQL took longer to catch up than the hold lasts; nothing was done.
    HoldRanOut,
}

pub(super) type Outcomes = BTreeMap<Pair, Outcome>;

pub(super) async fn select(
    stores: &Stores,
    selection: &Selection,
    stop: &CancellationToken,
) -> anyhow::Result<BTreeMap<Pair, Selected>> {
    let mut selected: BTreeMap<Pair, Selected> = BTreeMap::new();
    each(stores, selection, stop, |event, _| {
        if let (Change::Switch(kind, true), Some(user)) = (event.change, &event.user) {
            // It repeats a row that MySQL decides, whose version stays that of the change.
            if event.cause == Cause::Reconcile && kind.truth() == Truth::Mysql {
                return Ok(());
            }
            let written = Written { kind, user: user.clone(), article: event.article.clone() };
            let pair = written.pair();
            let new =
                Selected { written, version: event.version, at: event.occurred_at, ip_hash: event.ip_hash.clone() };
            // Of several selected events of a pair only the latest can be why it is on.
            let latest = selected.entry(pair).or_insert_with(|| new.clone());
            if new.version > latest.version {
                *latest = new;
            }
        }
        Ok(())
    })
    .await?;
    Ok(selected)
}

/// The pairs whose row is not newer than the selected event. Of the others it is certain without a hold that something
/// came after it, since versions only grow.
pub(super) async fn still_possible(
    mysql: &MySqlPool,
    selected: &BTreeMap<Pair, Selected>,
    outcomes: &mut Outcomes,
) -> Result<Vec<Pair>, StoreError> {
    let pairs: Vec<Pair> = selected.keys().copied().collect();
    let mut possible = Vec::new();
    for pairs in pairs.chunks(TOGETHER) {
        let rows = rows_of(mysql, pairs).await?;
        for pair in pairs {
            match (rows.get(pair), selected.get(pair)) {
                (Some((version, _)), Some(of)) if *version > of.version => {
                    outcomes.insert(*pair, Outcome::ChangedSince);
                }
                (Some((version, _)), Some(of)) if *version == of.version => possible.push(*pair),
                _ => {
                    outcomes.insert(*pair, Outcome::NotInMysql);
                    // Looked for again under the hold, if it comes to that; what MySQL decides comes in no other way.
                    if pair.1.truth() == Truth::Redis {
                        possible.push(*pair);
                    }
                }
            }
        }
    }
    Ok(possible)
}
