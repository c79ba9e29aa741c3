//! Switches off what is on because of the selected events, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use contract::{Cause, Pair, Partition, Truth};
use tokio_util::sync::CancellationToken;

use super::selected::{Outcome, Outcomes, Selected, TOGETHER};
use crate::{
    ledger::{
        holds::Holder,
        marks::Marks,
        rows::rows_of,
        settle::{self, Patience},
        toggle::toggle,
    },
    output::progress,
    store::Stores,
};

/// The stores, the selected events, and how long to wait.
pub(super) struct Work<'a> {
    pub(super) stores: &'a Stores,
    pub(super) selected: &'a BTreeMap<Pair, Selected>,
    pub(super) wait: Duration,
    pub(super) stop: &'a CancellationToken,
}

impl<'a> Work<'a> {
    /// Undoes the pairs, each in the store that decides its kind, and waits until the other store follows.
    pub(super) async fn undo(&self, pairs: &[Pair], outcomes: &mut Outcomes) -> anyhow::Result<()> {
        let (of_redis, of_mysql): (Vec<Pair>, Vec<Pair>) =
            pairs.iter().partition(|(_, kind, _)| kind.truth() == Truth::Redis);
        if !of_redis.is_empty() {
            self.in_redis(&of_redis, outcomes).await?;
        }
        self.in_mysql(&of_mysql, outcomes).await
    }

    /// The patience for one wait that begins now.
    fn patience(&self) -> Patience<'a> {
        Patience::new(self.wait, self.stop)
    }

    /// One transaction checks the row and changes it, so no hold is needed.
    async fn in_mysql(&self, pairs: &[Pair], outcomes: &mut Outcomes) -> anyhow::Result<()> {
        let bar = progress(pairs.len() as u64, "revoking");
        for pair in pairs {
            ensure!(!self.stop.is_cancelled(), "stopped before all was undone");
            let Some(of) = self.selected.get(pair) else { continue };
            let toggled = toggle(&self.stores.mysql, &of.written, false, Cause::Revoke, Some(of.version)).await?;
            outcomes.insert(*pair, if toggled.changed { Outcome::Undone } else { Outcome::ChangedSince });
            bar.inc(1);
        }
        bar.finish_and_clear();
        let partitions: BTreeSet<Partition> = pairs.iter().map(|(article, ..)| Partition::of(*article)).collect();
        settle::in_redis(&self.stores.mysql, &partitions, &self.patience())
            .await
            .context("all is undone in MySQL, but Redis does not show it yet")
    }

    /// Holds the pairs until MySQL, which knows the versions, has caught up.
    async fn in_redis(&self, pairs: &[Pair], outcomes: &mut Outcomes) -> anyhow::Result<()> {
        let mut holder = Holder::new(self.stores, self.wait).await?;
        let mut undone = Marks::default();
        let bar = progress(pairs.len() as u64, "revoking");
        for pairs in pairs.chunks(TOGETHER) {
            let round = self.round(&mut holder, pairs, outcomes, &mut undone).await;
            // Holds that are not released now expire. Report the first error, since it says more.
            let released = holder.release().await;
            round?;
            released?;
            bar.inc(pairs.len() as u64);
        }
        bar.finish_and_clear();
        settle::in_mysql(self.stores, holder.redis(), &undone, &self.patience())
            .await
            .context("all is undone in Redis, but MySQL does not have it yet")
    }

    async fn round(
        &self,
        holder: &mut Holder,
        pairs: &[Pair],
        outcomes: &mut Outcomes,
        undone: &mut Marks,
    ) -> anyhow::Result<()> {
        let (held, marks) = holder.hold(pairs).await?;
        outcomes.extend(pairs.iter().filter(|pair| !held.contains(pair)).map(|pair| (*pair, Outcome::Busy)));
        settle::in_mysql(self.stores, holder.redis(), &marks, &self.patience()).await?;
        // Nobody can change these pairs now, and MySQL has every earlier change.
        let rows = rows_of(&self.stores.mysql, &held).await?;
        let is_why = |pair: &Pair| {
            let of = self.selected.get(pair);
            of.is_some_and(|of| rows.get(pair).is_some_and(|(version, on)| *on && *version == of.version))
        };
        let (standing, changed): (BTreeSet<Pair>, BTreeSet<Pair>) = held.into_iter().partition(is_why);
        outcomes.extend(changed.into_iter().map(|pair| (pair, Outcome::ChangedSince)));
        let written = standing.iter().filter_map(|pair| Some((*pair, self.selected.get(pair)?.written.clone())));
        for (pair, done) in holder.undo(&written.collect(), undone).await? {
            outcomes.insert(pair, if done { Outcome::Undone } else { Outcome::HoldRanOut });
        }
        Ok(())
    }
}
