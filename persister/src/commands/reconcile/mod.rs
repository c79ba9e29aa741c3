//! `persister reconcile`: whether Redis and MySQL agree, without stopping anything.

mod compare;
mod findings;
mod look;
mod repair;
mod report;
mod work;

use std::{collections::BTreeSet, process::ExitCode, time::Duration};

use clap::Args;
use contract::ArticleId;
use tokio_util::sync::CancellationToken;

use self::{
    findings::{Difference, Findings},
    work::Work,
};
use crate::{ledger::articles, store::Stores};

/// What the process exits with where differences remain.
const DIFFERENT: u8 = 3;

#[derive(Debug, Args)]
pub(crate) struct ReconcileOptions {
    /// Compare so many articles, chosen at random, instead of all.
    #[arg(long, conflicts_with = "article")]
    sample: Option<usize>,
    /// Compare this article; may be given more than once.
    #[arg(long)]
    article: Vec<ArticleId>,
    /// Make MySQL follow Redis: each differing status is appended as a new event with cause `reconcile`, and counts are
    /// computed anew from the likes.
    #[arg(long)]
    repair: bool,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// How long to wait for MySQL to catch up, in seconds.
    #[arg(long, default_value_t = 60)]
    wait_seconds: u64,
}

pub(crate) async fn run(
    stores: &Stores,
    options: &ReconcileOptions,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let redis = stores.redis.connect().await?;
    let patience = Duration::from_secs(options.wait_seconds);
    let mut work = Work { stores, redis, patience, stop };
    let articles = choose(&mut work, options).await?;
    let mut findings = compare(&mut work, &articles).await?;
    if options.repair && !findings.differences.is_empty() {
        let repaired = repair::repair(&mut work, &findings.differences).await?;
        let after = compare(&mut work, &repaired).await?;
        for difference in &mut findings.differences {
            difference.repaired = !after.differences.iter().any(|left| left.is_same(difference));
        }
        let new = after.differences.iter().filter(|left| !findings.differences.iter().any(|old| old.is_same(left)));
        let new: Vec<Difference> = new.cloned().collect();
        findings.differences.extend(new);
        findings.cold.extend(after.cold);
    }
    report::print(&findings, articles.len(), options.json)?;
    let remain = findings.differences.iter().any(|difference| !difference.repaired);
    Ok(if remain || !findings.cold.is_empty() { ExitCode::from(DIFFERENT) } else { ExitCode::SUCCESS })
}

async fn choose(work: &mut Work<'_>, options: &ReconcileOptions) -> anyhow::Result<Vec<ArticleId>> {
    if !options.article.is_empty() {
        return Ok(options.article.iter().copied().collect::<BTreeSet<_>>().into_iter().collect());
    }
    let mut all = articles::in_redis(&mut work.redis).await?;
    all.extend(articles::in_mysql(&work.stores.mysql).await?);
    let mut all: Vec<ArticleId> = all.into_iter().collect();
    if let Some(count) = options.sample.filter(|count| *count < all.len()) {
        for place in 0..count {
            let other = rand::random_range(place..all.len());
            all.swap(place, other);
        }
        all.truncate(count);
    }
    Ok(all)
}

/// Looks at every article once, and then closely at what seemed to differ.
async fn compare(work: &mut Work<'_>, articles: &[ArticleId]) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let suspects = look::look(work, articles, &mut findings).await?;
    compare::confirm(work, suspects, &mut findings).await?;
    findings.differences.sort_by_key(|difference| (difference.article_id, difference.what, difference.user_id));
    Ok(findings)
}
