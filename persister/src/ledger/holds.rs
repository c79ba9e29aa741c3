//! Holding pairs while it is found out why they are on, and switching them off.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use contract::{
    Cause, Pair, Partition, Written,
    scripts::{Hold, Release, Undo},
};

use super::{marks::Marks, pair::by_partition};
use crate::store::{
    StoreError, Stores,
    scripts::{call, refused},
    servers::Servers,
};

/// Pairs of one script call: a few milliseconds of Redis's time.
const PER_CALL: usize = 250;
/// A hold lasts for so much longer than MySQL is waited for.
const MARGIN: Duration = Duration::from_secs(15);

/// Who holds pairs. A hold ends by itself at its time, whatever becomes of the holder.
pub(crate) struct Holder {
    redis: Servers,
    lasts: Duration,
    held: Vec<Held>,
}

/// The pairs of one call, which run out together.
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

    /// Holds pairs; those it got, and the last change of each outbox that may concern them.
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

    /// Switches off pairs that are held; whether each was. Marks the last change of each outbox.
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

    /// Lets go of all that is still held.
    pub(crate) async fn release(&mut self) -> Result<(), StoreError> {
        for Held { partition, until, pairs } in self.held.drain(..).filter(|held| !held.pairs.is_empty()) {
            let pairs: Vec<Pair> = pairs.into_iter().collect();
            let release = Release { partition, pairs: &pairs, until: &until };
            call(&mut self.redis, &release).await?.map_err(|refusal| refused(&release, refusal))?;
        }
        Ok(())
    }
}

/// Switches pairs off; whether each was on. Marks the last change of the outbox. A call by itself, since it must not be sent
/// again where another one beside it has to be.
pub(crate) async fn undo(redis: &mut Servers, undo: &Undo<'_>, marks: &mut Marks) -> Result<Vec<bool>, StoreError> {
    let undone = call(redis, undo).await?.map_err(|refusal| refused(undo, refusal))?;
    marks.add(undo.partition, undone.last);
    Ok(undone.done)
}
