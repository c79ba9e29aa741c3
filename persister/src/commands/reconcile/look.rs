//! The first check reads both stores in passing. A count that is wrong within one store is proven at once. A difference
//! between the stores may be a change on its way.

use anyhow::ensure;
use contract::{ArticleNumber, UserNumber};

use super::{
    findings::{Findings, Suspects, What},
    work::Work,
};
use crate::{
    ledger::{
        comparison::{Counter, Members, Share, in_one_alone, mysql_counts, mysql_members, redis_members},
        redis_counts::{self, Counted},
    },
    output::progress,
    store::StoreError,
};

/// Articles that are checked together.
const TOGETHER: usize = 50;
/// The most users held in memory for each store, 8 bytes each. If there are more, both stores are read again for each
/// share of them.
const USERS: u64 = 2_000_000;

pub(super) async fn look(
    work: &mut Work<'_>,
    articles: &[ArticleNumber],
    findings: &mut Findings,
) -> anyhow::Result<Suspects> {
    let mut suspects = Suspects::new();
    let bar = progress(articles.len() as u64, "comparing");
    for some in articles.chunks(TOGETHER) {
        // One kind after another, so that only one kind's users are held.
        for kind in work.kinds.clone() {
            ensure!(!work.stop.is_cancelled(), "stopped before all was compared");
            let counters: Vec<Counter> = some.iter().map(|article| (*article, kind)).collect();
            suspects.extend(differing(work, &counters, findings).await?);
        }
        bar.inc(some.len() as u64);
    }
    bar.finish_and_clear();
    Ok(suspects)
}

async fn differing(work: &mut Work<'_>, counters: &[Counter], findings: &mut Findings) -> Result<Suspects, StoreError> {
    let (counters, in_redis) = counts_of_redis(work, counters, findings).await?;
    let mut suspects = Suspects::new();
    if counters.is_empty() {
        return Ok(suspects);
    }
    let mut in_mysql = 0;
    for count in mysql_counts(&work.stores.mysql, &counters).await? {
        in_mysql += count.members.unsigned_abs();
        findings.note(What::MysqlCount, &count);
    }
    let shares = in_redis.max(in_mysql).div_ceil(USERS).max(1);
    for number in 0..shares {
        let share = Share { number, of: shares };
        let by_redis = redis_members(&mut work.redis, &counters, share).await?;
        let by_mysql = mysql_members(&work.stores.mysql, &counters, share).await?;
        for of in &counters {
            let mut differing = in_one_alone(users_of(&by_redis, of), users_of(&by_mysql, of)).peekable();
            if differing.peek().is_some() {
                suspects.entry(*of).or_default().extend(differing);
            }
        }
    }
    Ok(suspects)
}

fn users_of<'a>(members: &'a Members, of: &Counter) -> &'a [UserNumber] {
    members.get(of).map_or(&[], Vec::as_slice)
}

/// Compares Redis's counts with its own sets. Returns the counters that can be compared, and their number of users.
async fn counts_of_redis(
    work: &mut Work<'_>,
    counters: &[Counter],
    findings: &mut Findings,
) -> Result<(Vec<Counter>, u64), StoreError> {
    let (mut warm, mut users) = (Vec::with_capacity(counters.len()), 0);
    for (of, counted) in redis_counts::redis_counts(&mut work.redis, counters).await? {
        let members = match counted {
            Counted::Whole(count) => {
                findings.note(What::RedisCount, &count);
                count.members
            }
            Counted::Moving(count) => {
                findings.moving += 1;
                count
            }
            Counted::Cold => {
                findings.cold.insert(of.0);
                continue;
            }
        };
        warm.push(of);
        users += members.unsigned_abs();
    }
    Ok((warm, users))
}
