//! The second check: whether a suspected difference is real, or a change was on its way.

use std::collections::BTreeSet;

use contract::{Pair, Partition, Truth, UserNumber, Version};

use super::{
    findings::{Difference, Findings, Suspects, What},
    work::Work,
};
use crate::{
    ledger::{
        comparison::{Counter, View, view},
        marks::Marks,
        rows::{Rows, rows_of},
        settle,
    },
    store::StoreError,
};

/// A pair that changes in every round is left for the next run.
const ROUNDS: u32 = 5;
const PER_CALL: usize = 1000;

pub(super) async fn confirm(
    work: &mut Work<'_>,
    mut suspects: Suspects,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    for _ in 0..ROUNDS {
        let of_redis = parts(&suspects, Truth::Redis);
        let of_mysql = parts(&suspects, Truth::Mysql);
        suspects = against_mysql(work, &of_redis, findings).await?;
        suspects.extend(against_redis(work, of_mysql, findings).await?);
    }
    findings.moving += suspects.values().map(BTreeSet::len).sum::<usize>();
    Ok(())
}

/// The users of one call.
struct Part {
    of: Counter,
    users: Vec<UserNumber>,
}

impl Part {
    async fn rows(&self, work: &Work<'_>) -> Result<Rows, StoreError> {
        let pairs: Vec<Pair> = self.users.iter().map(|user| (self.of.0, self.of.1, *user)).collect();
        rows_of(&work.stores.mysql, &pairs).await
    }

    /// None if the partition is no longer warm.
    async fn view(&self, work: &mut Work<'_>, findings: &mut Findings) -> Result<Option<View>, StoreError> {
        let view = view(&mut work.redis, self.of, &self.users).await?;
        if view.is_none() {
            findings.cold.insert(self.of.0);
        }
        Ok(view)
    }
}

/// The suspects of the kinds that a store decides.
fn parts(suspects: &Suspects, truth: Truth) -> Vec<Part> {
    let mut parts = Vec::new();
    for (of, users) in suspects.iter().filter(|((_, kind), _)| kind.truth() == truth) {
        let users: Vec<UserNumber> = users.iter().copied().collect();
        parts.extend(users.chunks(PER_CALL).map(|users| Part { of: *of, users: users.to_vec() }));
    }
    parts
}

/// For kinds that Redis decides. MySQL has applied everything that Redis had acknowledged at each view. A row newer
/// than its view proves nothing; any other row must equal the view. Returns the suspects to check again.
async fn against_mysql(work: &mut Work<'_>, parts: &[Part], findings: &mut Findings) -> Result<Suspects, StoreError> {
    let (mut views, mut marks) = (Vec::new(), Marks::default());
    for part in parts {
        if let Some(view) = part.view(work, findings).await? {
            marks.add(Partition::of(part.of.0), view.last);
            views.push((part, view));
        }
    }
    let patience = work.patience();
    settle::in_mysql(work.stores, &mut work.redis, &marks, &patience).await?;
    let mut moving = Suspects::new();
    for (part, view) in views {
        let rows = part.rows(work).await?;
        judge(&view, &rows, |row, _| row.is_some_and(|(version, _)| version > view.last), &mut moving, findings);
    }
    Ok(moving)
}

/// For kinds that MySQL decides. Redis shows everything that MySQL had committed when the rows were read. If a row is
/// unchanged after the view, the view must equal it. Returns the suspects to check again.
async fn against_redis(work: &mut Work<'_>, parts: Vec<Part>, findings: &mut Findings) -> Result<Suspects, StoreError> {
    let (mut read, mut partitions) = (Vec::new(), BTreeSet::new());
    for part in parts {
        partitions.insert(Partition::of(part.of.0));
        let rows = part.rows(work).await?;
        read.push((part, rows));
    }
    settle::in_redis(&work.stores.mysql, &partitions, &work.patience()).await?;
    let mut moving = Suspects::new();
    for (part, before) in read {
        if let Some(view) = part.view(work, findings).await? {
            let rows = part.rows(work).await?;
            judge(&view, &rows, |row, pair| row != before.get(pair).copied(), &mut moving, findings);
        }
    }
    Ok(moving)
}

/// Records the users for whom Redis and MySQL differ, and the users whose row `has_moved`.
fn judge(
    view: &View,
    rows: &Rows,
    has_moved: impl Fn(Option<(Version, bool)>, &Pair) -> bool,
    moving: &mut Suspects,
    findings: &mut Findings,
) {
    let (article_id, kind) = view.of;
    for (user, in_redis) in &view.on {
        let pair = (article_id, kind, *user);
        let row = rows.get(&pair).copied();
        let in_mysql = row.is_some_and(|(_, on)| on);
        if has_moved(row, &pair) {
            moving.entry(view.of).or_default().insert(*user);
        } else if *in_redis != in_mysql {
            findings.differences.push(Difference {
                what: What::Status,
                article_id,
                kind,
                user_id: Some(*user),
                found: i64::from(*in_redis),
                against: i64::from(in_mysql),
                mysql_version: row.map(|(version, _)| version),
                repaired: false,
            });
        }
    }
}
