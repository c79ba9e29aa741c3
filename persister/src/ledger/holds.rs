//! Holding likes while it is found out why they stand, and taking them back.

use std::{collections::BTreeSet, time::Duration};

use contract::{Partition, keys, scripts};

use super::{
    marks::Marks,
    pair::{Pair, by_partition},
};
use crate::store::{
    StoreError, Stores,
    scripts::{call, run_script},
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
        let (mut got, mut marks) = (BTreeSet::new(), Marks::default());
        for (partition, pairs) in by_partition(pairs) {
            for pairs in pairs.chunks(PER_CALL) {
                let keys = [keys::warm(partition), keys::outbox(partition), keys::held(partition)];
                let mut hold = call(&scripts::HOLD, keys);
                hold.arg(self.redis.name(partition)?)
                    .arg(u64::try_from(self.lasts.as_millis()).unwrap_or(u64::MAX))
                    .arg(names(pairs.iter()));
                let answer: Vec<String> = run_script(&mut self.redis, hold).await?;
                warm(partition, answer.len() == 3 + pairs.len())?;
                marks.add_text(partition, &answer[1])?;
                let taken = pairs.iter().zip(&answer[3..]).filter(|(_, held)| *held == "1");
                let taken: BTreeSet<Pair> = taken.map(|(pair, _)| *pair).collect();
                got.extend(taken.iter().copied());
                self.held.push(Held { partition, until: answer[2].clone(), pairs: taken });
            }
        }
        Ok((got, marks))
    }

    /// Takes back likes that are held; whether each was. Marks the last change of each outbox.
    pub(crate) async fn undo(
        &mut self,
        pairs: &BTreeSet<Pair>,
        marks: &mut Marks,
    ) -> Result<Vec<(Pair, bool)>, StoreError> {
        let mut outcomes = Vec::with_capacity(pairs.len());
        for held in &self.held {
            let chosen: Vec<Pair> = held.pairs.intersection(pairs).copied().collect();
            if !chosen.is_empty() {
                let undone = undo(&mut self.redis, held.partition, "revoke", &held.until, &chosen, marks).await?;
                outcomes.extend(chosen.into_iter().zip(undone));
            }
        }
        Ok(outcomes)
    }

    /// Lets go of all that is still held.
    pub(crate) async fn release(&mut self) -> Result<(), StoreError> {
        for held in self.held.drain(..).filter(|held| !held.pairs.is_empty()) {
            let mut release = call(&scripts::RELEASE, [keys::held(held.partition)]);
            release.arg(&held.until).arg(names(held.pairs.iter()));
            run_script::<u64>(&mut self.redis, release).await?;
        }
        Ok(())
    }
}

/// Takes likes of one partition back, without regard to a hold if `until` is empty; whether each was.
pub(crate) async fn undo(
    redis: &mut Servers,
    partition: Partition,
    cause: &str,
    until: &str,
    pairs: &[Pair],
    marks: &mut Marks,
) -> Result<Vec<bool>, StoreError> {
    let mut keys = vec![keys::warm(partition), keys::outbox(partition), keys::held(partition)];
    keys.extend(pairs.iter().flat_map(|(_, article)| [keys::likes(*article), keys::members(*article)]));
    let mut undo = call(&scripts::UNDO, keys);
    undo.arg(redis.name(partition)?).arg(cause).arg(until);
    for (user, article) in pairs {
        undo.arg(user.get()).arg(article.get());
    }
    let answer: Vec<String> = run_script(redis, undo).await?;
    warm(partition, answer.len() == 2 + pairs.len())?;
    marks.add_text(partition, &answer[1])?;
    Ok(answer[2..].iter().map(|done| done == "1").collect())
}

fn names<'a>(pairs: impl Iterator<Item = &'a Pair>) -> Vec<String> {
    pairs.map(|(user, article)| format!("{user}:{article}")).collect()
}

fn warm(partition: Partition, is_warm: bool) -> Result<(), StoreError> {
    if is_warm {
        return Ok(());
    }
    Err(StoreError::Other(format!("partition {partition} is not warm; try again when it is")))
}
