//! Holding pairs while a command checks them, and switching them off or on.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use contract::{
    ArticleNumber, Cause, Kind, Pair, Partition, Truth, UserNumber, Written,
    scripts::{Hold, Import, Release, Undo},
};

use super::{marks::Marks, pair::by_partition};
use crate::store::{
    StoreError, Stores,
    scripts::{call, refused},
    servers::Servers,
};

/// Pairs of one script call, which takes Redis a few milliseconds.
const PER_CALL: usize = 250;
/// How much longer a hold lasts than the wait for MySQL.
const MARGIN: Duration = Duration::from_secs(15);

/// The owner of holds. A hold expires at its time, whatever happens to its owner.
pub(crate) struct Holder {
    redis: Servers,
    lasts: Duration,
    held: Vec<Held>,
}

/// The pairs of one call, which expire together.
struct Held {
    partition: Partition,
    until: String,
    pairs: BTreeSet<Pair>,
}

impl Holder {
    pub(crate) async fn new(stores: &Stores, patience: Duration) -> Result<Self, StoreError> {
        let redis = stores.redis.connect().await?;
        Ok(Self { redis, lasts: patience + MARGIN, held: Vec::new() })
    }

    pub(crate) const fn redis(&mut self) -> &mut Servers {
        &mut self.redis
    }

    /// Holds pairs. Returns those it got, and marks the last change of each outbox that may concern them.
    pub(crate) async fn hold(&mut self, pairs: &[Pair]) -> Result<(BTreeSet<Pair>, Marks), StoreError> {
        let lasts_ms = u64::try_from(self.lasts.as_millis()).unwrap_or(u64::MAX);
        let (mut all, mut marks) = (BTreeSet::new(), Marks::default());
        for (partition, pairs) in by_partition(pairs) {
            for pairs in pairs.chunks(PER_CALL) {
                let hold = Hold { partition, pairs, lasts_ms };
                let answer = call(&mut self.redis, &hold).await?.map_err(|refusal| refused(&hold, refusal))?;
                marks.add(partition, answer.last);
                let got = pairs.iter().zip(answer.got).filter(|(_, got)| *got);
                let got: BTreeSet<Pair> = got.map(|(pair, _)| *pair).collect();
                all.extend(got.iter().copied());
                self.held.push(Held { partition, until: answer.until, pairs: got });
            }
        }
        Ok((all, marks))
    }

    /// Switches off held pairs. Returns whether each was switched off, and marks the last change of each outbox.
    pub(crate) async fn undo(
        &mut self,
        pairs: &BTreeMap<Pair, Written>,
        marks: &mut Marks,
    ) -> Result<Vec<(Pair, bool)>, StoreError> {
        let mut outcomes = Vec::with_capacity(pairs.len());
        for Held { partition, until, pairs: held } in &self.held {
            let chosen: Vec<Written> = held.iter().filter_map(|pair| pairs.get(pair).cloned()).collect();
            if !chosen.is_empty() {
                let off = Undo { partition: *partition, pairs: &chosen, cause: Cause::Revoke, until };
                let done = undo(&mut self.redis, &off, marks).await?;
                outcomes.extend(chosen.iter().map(Written::pair).zip(done));
            }
        }
        Ok(outcomes)
    }

    /// Switches on held pairs of kinds whose truth is Redis. Returns the outcomes of `lua/import.lua`, and marks the last id
    /// of each outbox.
    pub(crate) async fn import(
        &mut self,
        pairs: &BTreeSet<Pair>,
        marks: &mut Marks,
    ) -> Result<Vec<(Pair, u64)>, StoreError> {
        let mut outcomes = Vec::with_capacity(pairs.len());
        for Held { partition, until, pairs: held } in &self.held {
            for kind in Kind::of(Truth::Redis) {
                let chosen: Vec<Pair> = held.intersection(pairs).filter(|pair| pair.1 == kind).copied().collect();
                if chosen.is_empty() {
                    continue;
                }
                let of: Vec<(UserNumber, ArticleNumber)> =
                    chosen.iter().map(|(article, _, user)| (*user, *article)).collect();
                let import = Import { partition: *partition, kind, pairs: &of, until };
                let said = call(&mut self.redis, &import).await?.map_err(|refusal| refused(&import, refusal))?;
                marks.add(*partition, said.last);
                outcomes.extend(chosen.into_iter().zip(said.outcomes));
            }
        }
        Ok(outcomes)
    }

    /// Releases everything that is still held.
    pub(crate) async fn release(&mut self) -> Result<(), StoreError> {
        for Held { partition, until, pairs } in self.held.drain(..).filter(|held| !held.pairs.is_empty()) {
            let pairs: Vec<Pair> = pairs.into_iter().collect();
            let release = Release { partition, pairs: &pairs, until: &until };
            call(&mut self.redis, &release).await?.map_err(|refusal| refused(&release, refusal))?;
        }
        Ok(())
    }
}

/// Switches pairs off. Returns whether each was on, and marks the last change of the outbox. The call is sent alone. If it
/// were repeated together with another call, it would find the pairs off.
pub(crate) async fn undo(redis: &mut Servers, undo: &Undo<'_>, marks: &mut Marks) -> Result<Vec<bool>, StoreError> {
    let undone = call(redis, undo).await?.map_err(|refusal| refused(undo, refusal))?;
    marks.add(undo.partition, undone.last);
    Ok(undone.done)
}
