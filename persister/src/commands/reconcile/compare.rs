//! The close look: whether a difference is one, or was only on its way.

use contract::{Partition, UserId};

use super::{
    findings::{Difference, Findings, Suspects, What},
    work::Work,
};
use crate::{
    ledger::{
        comparison::{View, view},
        likes::rows_of,
        marks::Marks,
        pair::Pair,
        settle::settle,
    },
    store::StoreError,
};

/// A like that changed so many times while it was looked at is left to the next run.
const ROUNDS: u32 = 5;
const PER_CALL: usize = 1000;

pub(super) async fn confirm(
    work: &mut Work<'_>,
    mut suspects: Suspects,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    for _ in 0..ROUNDS {
        if suspects.is_empty() {
            break;
        }
        let views = views(work, &suspects, findings).await?;
        let mut marks = Marks::default();
        for view in &views {
            marks.add(Partition::of(view.article), view.last);
        }
        settle(work.stores, &mut work.redis, &marks, work.patience, work.stop).await?;
        suspects = judge(work, &views, findings).await?;
    }
    findings.moving += suspects.values().map(std::collections::BTreeSet::len).sum::<usize>();
    Ok(())
}

async fn views(work: &mut Work<'_>, suspects: &Suspects, findings: &mut Findings) -> Result<Vec<View>, StoreError> {
    let mut views = Vec::new();
    for (article, users) in suspects {
        let users: Vec<UserId> = users.iter().copied().collect();
        for users in users.chunks(PER_CALL) {
            match view(&mut work.redis, *article, users).await? {
                Some(view) => views.push(view),
                None => {
                    findings.cold.insert(*article);
                }
            }
        }
    }
    Ok(views)
}

/// MySQL has applied all that Redis had acknowledged at each view. A row that is newer than its view tells nothing of
/// it; any other must say what Redis said. The answer is what must be looked at again.
async fn judge(work: &Work<'_>, views: &[View], findings: &mut Findings) -> Result<Suspects, StoreError> {
    let mut moving = Suspects::new();
    for view in views {
        let pairs: Vec<Pair> = view.liked.keys().map(|user| (*user, view.article)).collect();
        let rows = rows_of(&work.stores.mysql, &pairs).await?;
        for (user, liked) in &view.liked {
            let row = rows.get(&(*user, view.article));
            let (version, on) = row.copied().unwrap_or_default();
            if version > view.last {
                moving.entry(view.article).or_default().insert(*user);
            } else if on != *liked {
                findings.differences.push(Difference {
                    what: What::Like,
                    article_id: view.article,
                    user_id: Some(*user),
                    found: i64::from(*liked),
                    against: i64::from(on),
                    mysql_version: row.map(|(version, _)| *version),
                    repaired: false,
                });
            }
        }
    }
    Ok(moving)
}
