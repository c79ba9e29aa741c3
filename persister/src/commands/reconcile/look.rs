//! The first look: both stores in passing. Counts that are wrong within one store are certain at once; what differs
//! between the stores may only be on its way.

use std::collections::BTreeSet;

use anyhow::ensure;
use contract::{ArticleId, UserId};

use super::{
    findings::{Difference, Findings, Suspects, What},
    work::Work,
};
use crate::{
    ledger::comparison::{self, Count, mysql_counts, mysql_likers, redis_likers},
    output::progress,
    store::StoreError,
};

/// Articles looked at together; their likers are held in memory, 8 bytes and the trees' share each.
const TOGETHER: usize = 50;

pub(super) async fn look(
    work: &mut Work<'_>,
    articles: &[ArticleId],
    findings: &mut Findings,
) -> anyhow::Result<Suspects> {
    let mut suspects = Suspects::new();
    let bar = progress(articles.len() as u64, "comparing");
    for some in articles.chunks(TOGETHER) {
        ensure!(!work.stop.is_cancelled(), "stopped before all was compared");
        bar.inc(some.len() as u64);
        let some = redis_counts(work, some, findings).await?;
        if some.is_empty() {
            continue;
        }
        for count in mysql_counts(&work.stores.mysql, &some).await? {
            note(findings, What::MysqlCount, &count);
        }
        let mut by_redis = redis_likers(&mut work.redis, &some).await?;
        let mut by_mysql = mysql_likers(&work.stores.mysql, &some).await?;
        for article in &some {
            let redis = by_redis.remove(article).unwrap_or_default();
            let mysql = by_mysql.remove(article).unwrap_or_default();
            let differing: BTreeSet<UserId> = redis.symmetric_difference(&mysql).copied().collect();
            if !differing.is_empty() {
                suspects.insert(*article, differing);
            }
        }
    }
    bar.finish_and_clear();
    Ok(suspects)
}

/// Redis's counts against its own likes; the articles that may be compared at all.
async fn redis_counts(
    work: &mut Work<'_>,
    articles: &[ArticleId],
    findings: &mut Findings,
) -> Result<Vec<ArticleId>, StoreError> {
    let mut warm = Vec::with_capacity(articles.len());
    for (article, count) in comparison::redis_counts(&mut work.redis, articles).await? {
        if let Some(count) = count {
            warm.push(article);
            note(findings, What::RedisCount, &count);
        } else {
            findings.cold.insert(article);
        }
    }
    Ok(warm)
}

fn note(findings: &mut Findings, what: What, of: &Count) {
    if of.found != of.likes {
        findings.differences.push(Difference {
            what,
            article_id: of.article,
            user_id: None,
            found: of.found,
            against: of.likes,
            mysql_version: None,
            repaired: false,
        });
    }
}
