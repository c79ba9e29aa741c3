//! Holding likes while it is found out why they stand, and taking them back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use contract::{Partition, keys, scripts};

use crate::{
    consume::Pair,
    settle::{Marks, mark},
    store::{
        Stores,
        redis::{call, run_script},
        servers::Servers,
    },
};

/// Pairs of one script call: a few milliseconds of Redis's time.
const PER_CALL: usize = 250;
/// A hold lasts for so much longer than MySQL is waited for.
const MARGIN: Duration = Duration::from_secs(15);

/// Who holds pairs. A hold ends by itself at its time, whatever becomes of the holder.
pub(super) struct Holder {
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
    pub(super) async fn new(stores: &Stores, patience: Duration) -> anyhow::Result<Self> {
        let redis = stores.redis.connect().await.context("Redis")?;
        Ok(Self { redis, lasts: patience + MARGIN, held: Vec::new() })
    }

    pub(super) const fn redis(&mut self) -> &mut Servers {
        &mut self.redis
    }

    /// Holds pairs; those it got, and the last change of each outbox that may concern them.
    pub(super) async fn hold(&mut self, pairs: &[Pair]) -> anyhow::Result<(BTreeSet<Pair>, Marks)> {
        let (mut got, mut marks) = (BTreeSet::new(), Marks::new());
        for (partition, pairs) in by_partition(pairs.iter()) {
            for pairs in pairs.chunks(PER_CALL) {
                let keys = [keys::warm(partition), keys::outbox(partition), keys::held(partition)];
                let mut hold = call(&scripts::HOLD, keys);
                hold.arg(self.redis.name(partition).context("Redis")?)
                    .arg(u64::try_from(self.lasts.as_millis())?)
                    .arg(names(pairs.iter()));
                let answer: Vec<String> = run_script(&mut self.redis, hold).await.context("Redis")?;
                ensure!(answer.len() == 3 + pairs.len(), "partition {partition} is not warm; try again when it is");
                mark(&mut marks, partition, answer[1].parse()?);
                let taken = pairs.iter().zip(&answer[3..]).filter(|(_, held)| *held == "1");
                let taken: BTreeSet<Pair> = taken.map(|(pair, _)| *pair).collect();
                got.extend(taken.iter().copied());
                self.held.push(Held { partition, until: answer[2].clone(), pairs: taken });
            }
        }
        Ok((got, marks))
    }

    /// Takes back likes that are held; whether each was. Marks the last change of each outbox.
    pub(super) async fn undo(
        &mut self,
        pairs: &BTreeSet<Pair>,
        marks: &mut Marks,
    ) -> anyhow::Result<Vec<(Pair, bool)>> {
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
    pub(super) async fn release(&mut self) -> anyhow::Result<()> {
        for held in self.held.drain(..).filter(|held| !held.pairs.is_empty()) {
            let mut release = call(&scripts::RELEASE, [keys::held(held.partition)]);
            release.arg(&held.until).arg(names(held.pairs.iter()));
            run_script::<u64>(&mut self.redis, release).await.context("Redis")?;
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
) -> anyhow::Result<Vec<bool>> {
    let mut keys = vec![keys::warm(partition), keys::outbox(partition), keys::held(partition)];
    keys.extend(pairs.iter().flat_map(|(_, article)| [keys::likes(*article), keys::members(*article)]));
    let mut undo = call(&scripts::UNDO, keys);
    undo.arg(redis.name(partition).context("Redis")?).arg(cause).arg(until);
    for (user, article) in pairs {
        undo.arg(user.get()).arg(article.get());
    }
    let answer: Vec<String> = run_script(redis, undo).await.context("Redis")?;
    ensure!(answer.len() == 2 + pairs.len(), "partition {partition} is not warm; try again when it is");
    mark(marks, partition, answer[1].parse()?);
    Ok(answer[2..].iter().map(|done| done == "1").collect())
}

pub(crate) fn by_partition<'a>(pairs: impl Iterator<Item = &'a Pair>) -> BTreeMap<Partition, Vec<Pair>> {
    let mut by_partition: BTreeMap<Partition, Vec<Pair>> = BTreeMap::new();
    for pair in pairs {
        by_partition.entry(Partition::of(pair.1)).or_default().push(*pair);
    }
    by_partition
}

fn names<'a>(pairs: impl Iterator<Item = &'a Pair>) -> Vec<String> {
    pairs.map(|(user, article)| format!("{user}:{article}")).collect()
}
