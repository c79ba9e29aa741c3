//! `persister reconcile`: whether Redis and MySQL agree, while traffic runs.

mod compare;
mod findings;
mod look;
mod repair;
mod report;
mod work;

use std::{collections::BTreeSet, process::ExitCode, time::Duration};

use clap::Args;
use contract::{ArticleId, ArticleNumber};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::{
    findings::{Difference, Findings},
    work::Work,
};
use super::kinds::Kinds;
use crate::{
    ledger::{articles, names::Names},
    output::counted,
    store::Stores,
};

/// The exit code if differences remain.
const DIFFERENT: u8 = 3;

#[derive(Debug, Args)]
pub(crate) struct ReconcileOptions {
    /// Compare this many articles, chosen at random, instead of all.
    #[arg(long, conflicts_with = "article")]
    sample: Option<usize>,
    /// Compare this article; may be given more than once.
    #[arg(long, value_parser = ArticleId::read)]
    article: Vec<ArticleId>,
    #[command(flatten)]
    kinds: Kinds,
    /// Make each kind follow the store that decides it. Each differing status is sent again as an event with cause
    /// `reconcile`, and each store's counts are computed again from its users.
    #[arg(long)]
    repair: bool,
    /// Repair nothing if there are more differences than this: the store that decides may be the one that lost data.
    #[arg(long, requires = "repair", default_value_t = 1000)]
    max_differences: usize,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// How many seconds to wait for one store to catch up with the other.
    #[arg(long, default_value_t = 60)]
    wait_seconds: u64,
}

pub(crate) async fn run(
    stores: &Stores,
    options: &ReconcileOptions,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let redis = stores.redis.reach(stop).await?;
    let wait = Duration::from_secs(options.wait_seconds);
    let mut work = Work { stores, redis, kinds: options.kinds.iter().collect(), wait, stop };
    let articles = choose(&mut work, options).await?;
    let mut findings = compare(&mut work, &articles).await?;
    let too_many = options.repair && findings.differences.len() > options.max_differences;
    if options.repair && !too_many && !findings.differences.is_empty() {
        let repaired = repair::repair(&mut work, &findings.differences).await?;
        let after = compare(&mut work, &repaired).await?;
        let keys = |of: &Findings| of.differences.iter().map(Difference::key).collect::<BTreeSet<_>>();
        let (before, left) = (keys(&findings), keys(&after));
        for difference in &mut findings.differences {
            difference.repaired = !left.contains(&difference.key());
        }
        findings.differences.extend(after.differences.into_iter().filter(|left| !before.contains(&left.key())));
        findings.cold.extend(after.cold);
    }
    let users = findings.differences.iter().filter_map(|difference| difference.user_id);
    let articles_of =
        findings.differences.iter().map(|difference| difference.article_id).chain(findings.cold.iter().copied());
    let names = Names::of(&stores.mysql, users, articles_of).await?;
    report::print(&findings, articles.len(), &names, options.json)?;
    if too_many {
        warn!(
            "nothing was repaired: {}, more than --max-differences {}. The store that decides may have lost data, and a repair \
             would delete the same data from the other store: look for the cause first",
            counted(findings.differences.len(), "difference"),
            options.max_differences
        );
    }
    let remain = findings.differences.iter().any(|difference| !difference.repaired);
    Ok(if remain || !findings.cold.is_empty() { ExitCode::from(DIFFERENT) } else { ExitCode::SUCCESS })
}

async fn choose(work: &mut Work<'_>, options: &ReconcileOptions) -> anyhow::Result<Vec<ArticleNumber>> {
    if !options.article.is_empty() {
        return Ok(options.article.iter().map(ArticleId::number).collect::<BTreeSet<_>>().into_iter().collect());
    }
    let kinds = || work.kinds.clone().into_iter();
    let mut all = articles::in_mysql(&work.stores.mysql, kinds()).await?;
    all.extend(articles::in_redis(&mut work.redis, kinds()).await?.into_iter().map(|(article, _)| article));
    let mut all: Vec<ArticleNumber> = all.into_iter().collect();
    if let Some(count) = options.sample.filter(|count| *count < all.len()) {
        for place in 0..count {
            let other = rand::random_range(place..all.len());
            all.swap(place, other);
        }
        all.truncate(count);
    }
    Ok(all)
}

/// Checks every article once, then confirms each suspected difference.
async fn compare(work: &mut Work<'_>, articles: &[ArticleNumber]) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let suspects = look::look(work, articles, &mut findings).await?;
    compare::confirm(work, suspects, &mut findings).await?;
    findings.differences.sort_by_key(Difference::key);
    Ok(findings)
}
