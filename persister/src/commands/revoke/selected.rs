//! The selected events, and what becomes of each.

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

/// Pairs that are processed together. They may be held, and a hold lasts until MySQL has caught up.
pub(super) const TOGETHER: usize = 5000;

/// The latest selected event that switched the pair on.
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
    /// The pair is on because of the selected event. Nothing was done.
    WouldUndo,
    /// MySQL has not applied the event yet, or the user has been erased since. Nothing was done.
    NotInMysql,
    /// The pair was on and has been switched off.
    Undone,
    /// The pair is not on because of the selected event: the user switched it off, or off and on again, or it had been
    /// undone.
    ChangedSince,
    /// Another command holds the pair.
    Busy,
    /// The hold expired before MySQL caught up. Nothing was done.
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
            // The event repeats a row that MySQL decides. The row keeps the version of its last change.
            if event.cause == Cause::Reconcile && kind.truth() == Truth::Mysql {
                return Ok(());
            }
            let written = Written { kind, user: user.clone(), article: event.article.clone() };
            let pair = written.pair();
            let new =
                Selected { written, version: event.version, at: event.occurred_at, ip_hash: event.ip_hash.clone() };
            // If several events of a pair are selected, only the latest can be the reason that it is on.
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

/// The pairs whose row is not newer than the selected event. A newer row proves, without any hold, that another change
/// followed, since versions only grow.
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
                    // Such a pair is checked again under the hold. What MySQL decides cannot arrive later.
                    if pair.1.truth() == Truth::Redis {
                        possible.push(*pair);
                    }
                }
            }
        }
    }
    Ok(possible)
}
