//! The first look: both stores in passing. Counts that are wrong within one store are certain at once; what differs
//! between the stores may only be on its way.

use std::collections::BTreeSet;

use anyhow::ensure;
use contract::{ArticleNumber, UserNumber};

use super::{
    findings::{Findings, Suspects, What},
    work::Work,
};
use crate::{
    ledger::comparison::{self, Counter, mysql_counts, mysql_members, redis_members},
    output::progress,
    store::StoreError,
};

/// Articles looked at together; their users are held in memory, 8 bytes and the trees' share each.
const TOGETHER: usize = 50;

pub(super) async fn look(
    work: &mut Work<'_>,
    articles: &[ArticleNumber],
    findings: &mut Findings,
) -> anyhow::Result<Suspects> {
    let mut suspects = Suspects::new();
    let bar = progress(articles.len() as u64, "comparing");
    for some in articles.chunks(TOGETHER) {
        // A kind after the other: only one's users are held.
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
    let counters = redis_counts(work, counters, findings).await?;
    let mut suspects = Suspects::new();
    if counters.is_empty() {
        return Ok(suspects);
    }
    for count in mysql_counts(&work.stores.mysql, &counters).await? {
        findings.note(What::MysqlCount, &count);
    }
    let mut by_redis = redis_members(&mut work.redis, &counters).await?;
    let mut by_mysql = mysql_members(&work.stores.mysql, &counters).await?;
    for of in counters {
        let redis = by_redis.remove(&of).unwrap_or_default();
        let mysql = by_mysql.remove(&of).unwrap_or_default();
        let differing: BTreeSet<UserNumber> = redis.symmetric_difference(&mysql).copied().collect();
        if !differing.is_empty() {
            suspects.insert(of, differing);
        }
    }
    Ok(suspects)
}

/// Redis's counts against its own sets; what may be compared at all.
async fn redis_counts(
    work: &mut Work<'_>,
    counters: &[Counter],
    findings: &mut Findings,
) -> Result<Vec<Counter>, StoreError> {
    let mut warm = Vec::with_capacity(counters.len());
    for (of, count) in comparison::redis_counts(&mut work.redis, counters).await? {
        if let Some(count) = count {
            warm.push(of);
            findings.note(What::RedisCount, &count);
        } else {
            findings.cold.insert(of.0);
        }
    }
    Ok(warm)
}
