//! The close look: whether a difference is one, or was only on its way.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use contract::{ArticleId, Partition, UserId, Version, keys, scripts};

use super::{Difference, Findings, Suspects, What, Work};
use crate::{
    consume::{Pair, rows_of},
    settle::{Marks, mark, settle},
    store::redis::{call, run_scripts},
};

/// A like that changed so many times while it was looked at is left to the next run.
const ROUNDS: u32 = 5;
const PER_CALL: usize = 1000;

/// What Redis holds, and up to which entry of the outbox.
struct View {
    article: ArticleId,
    last: Version,
    liked: BTreeMap<UserId, bool>,
}

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
        let mut marks = Marks::new();
        for view in &views {
            mark(&mut marks, Partition::of(view.article), view.last);
        }
        settle(work.stores, &mut work.redis, &marks, work.patience, work.stop).await?;
        suspects = judge(work, &views, findings).await?;
    }
    findings.moving += suspects.values().map(std::collections::BTreeSet::len).sum::<usize>();
    Ok(())
}

async fn views(work: &mut Work<'_>, suspects: &Suspects, findings: &mut Findings) -> anyhow::Result<Vec<View>> {
    let mut views = Vec::new();
    for (article, users) in suspects {
        let users: Vec<UserId> = users.iter().copied().collect();
        for users in users.chunks(PER_CALL) {
            let partition = Partition::of(*article);
            let keys = [keys::warm(partition), keys::outbox(partition), keys::likes(*article), keys::members(*article)];
            let mut compare = call(&scripts::COMPARE, keys);
            compare.arg(work.redis.name(partition).context("Redis")?);
            for user in users {
                compare.arg(user.get());
            }
            let mut calls = redis::pipe();
            calls.add_command(compare);
            let answers: Vec<Vec<String>> = run_scripts(&mut work.redis, &calls).await.context("Redis")?;
            let answer = answers.first().context("no answer")?;
            if answer[0] == "COLD" {
                findings.cold.insert(*article);
                continue;
            }
            ensure!(answer.len() == 4 + users.len(), "Redis answered in an unknown form");
            let liked = users.iter().copied().zip(answer[4..].iter().map(|liked| liked == "1")).collect();
            views.push(View { article: *article, last: answer[1].parse()?, liked });
        }
    }
    Ok(views)
}

/// MySQL has applied all that Redis had acknowledged at each view. A row that is newer than its view tells nothing of
/// it; any other must say what Redis said. The answer is what must be looked at again.
async fn judge(work: &Work<'_>, views: &[View], findings: &mut Findings) -> anyhow::Result<Suspects> {
    let mut moving = Suspects::new();
    for view in views {
        let pairs: Vec<Pair> = view.liked.keys().map(|user| (*user, view.article)).collect();
        let mut connection = work.stores.mysql.acquire().await.context("MySQL")?;
        let rows = rows_of(&mut connection, pairs.iter()).await.context("MySQL")?;
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
