//! `persister delete-article`: takes articles out.

mod removal;
mod report;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Args;
use contract::{ArticleId, ArticleNumber, Kind, Partition, Truth, Version};
use tokio_util::sync::CancellationToken;

use self::report::{Deleted, report};
use super::ids;
use crate::{
    backoff::pause,
    ledger::{
        deletion::{self, delete_rows},
        lock::{IN_OR_OUT, alone},
        markers::are_warm,
        names,
        projection::next_token,
        settle::{self, Patience},
        snapshot,
    },
    output::progress,
    store::{Stores, servers::Servers},
};

/// Articles that are deleted together: the table of last reads is read once for them.
const TOGETHER: usize = 500;
/// A toggle or a snapshot that has found a name writes its row within this time.
const WRITES: Duration = Duration::from_secs(3);
/// What the error of an interrupted deletion says.
const REPEAT: &str = "run the deletion again: some of the articles' data may still be there";

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The article; may be given more than once.
    #[arg(long, value_parser = ArticleId::read)]
    article: Vec<ArticleId>,
    /// A file with one id a line; - is standard input.
    #[arg(long)]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArticleOptions {
    #[command(flatten)]
    which: Which,
    /// Print one JSON object for each article instead of text.
    #[arg(long)]
    json: bool,
    /// How many seconds to wait for Redis to catch up with what users switched on in MySQL during the deletion.
    #[arg(long, default_value_t = 60)]
    wait_seconds: u64,
}

impl Which {
    /// Each article once.
    fn articles(&self) -> anyhow::Result<BTreeSet<ArticleId>> {
        match &self.file {
            Some(file) => ids::of_file(file, ArticleId::read),
            None => Ok(self.article.iter().cloned().collect()),
        }
    }
}

pub(crate) async fn run(
    stores: &Stores,
    options: &DeleteArticleOptions,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let articles = options.which.articles().context("nothing was changed")?;
    let articles: Vec<ArticleId> = articles.into_iter().collect();
    let articles = names::of_articles(&stores.mysql, &articles).await.context("nothing was changed")?;
    let mut redis = stores.redis.reach(stop).await?;
    are_warm(&mut redis, &partitions(&articles)).await.context("nothing was changed")?;
    let bar = progress(articles.len() as u64, "deleting");
    let mut deleted = Vec::with_capacity(articles.len());
    for some in articles.chunks(TOGETHER) {
        let work = Box::pin(async {
            let patience = Patience::new(Duration::from_secs(options.wait_seconds), stop);
            delete(stores, &mut redis, some, &patience, stop).await
        });
        deleted.extend(alone(&stores.mysql, IN_OR_OUT, stop, work).await.context(REPEAT)?);
        bar.inc(some.len() as u64);
    }
    bar.finish_and_clear();
    report(stores, &mut redis, options.json, &articles, &deleted).await
}

fn partitions(articles: &[ArticleId]) -> Vec<Partition> {
    let all: BTreeSet<Partition> = articles.iter().map(|article| Partition::of(article.number())).collect();
    all.into_iter().collect()
}

/// Deletes the articles. In this order, the work can be interrupted anywhere and repeated:
///
/// 1. Delete MySQL's rows of the kinds that MySQL decides, and the outbox's rows of them.
/// 2. Take a token. The projecting relay can then no longer write what it has read from the outbox until now.
/// 3. Delete everything in Redis. Record in MySQL the version up to which everything is deleted: nothing that is delivered,
///    replayed, rebuilt or saved later restores anything up to that version.
/// 4. Delete MySQL's other rows, up to that version.
/// 5. Write again what users have switched on meanwhile, so that both stores have it: nothing bars the users.
async fn delete(
    stores: &Stores,
    redis: &mut Servers,
    articles: &[ArticleId],
    patience: &Patience<'_>,
    stop: &CancellationToken,
) -> anyhow::Result<Vec<Deleted>> {
    let mysql = &stores.mysql;
    let mut all: Vec<Deleted> = articles.iter().map(|_| Deleted::default()).collect();
    let go_on = || -> anyhow::Result<()> {
        ensure!(!stop.is_cancelled(), "stopped");
        Ok(())
    };
    for (article, deleted) in articles.iter().zip(&mut all) {
        for kind in Kind::of(Truth::Mysql) {
            go_on()?;
            let rows = delete_rows(mysql, (article.number(), kind), None).await?;
            deleted.rows(kind, rows);
            deleted.was_on(kind, rows.on);
        }
    }

    let token = next_token(mysql, &partitions(articles)).await?;
    let mut up_to: BTreeMap<ArticleNumber, Version> = BTreeMap::new();
    for (article, deleted) in articles.iter().zip(&mut all) {
        go_on()?;
        let removed = removal::remove(stores, redis, article, token).await?;
        up_to.insert(article.number(), removed.last);
        deleted.of_redis(&removed);
    }

    for (article, deleted) in articles.iter().zip(&mut all) {
        let version = up_to.get(&article.number()).copied();
        for kind in Kind::of(Truth::Redis) {
            go_on()?;
            deleted.rows(kind, delete_rows(mysql, (article.number(), kind), version).await?);
        }
    }
    let reads = deletion::delete_reads(mysql, &up_to).await?;
    for (article, deleted) in articles.iter().zip(&mut all) {
        go_on()?;
        deleted.last_reads = reads.get(&article.number()).copied().unwrap_or(0);
        deletion::delete_counts(mysql, article.number()).await?;
        deletion::delete_places(mysql, article.number()).await?;
        deletion::delete_name(mysql, article.number()).await?;
    }

    if articles.iter().any(|article| article.number().is_name()) {
        pause(WRITES, stop).await;
    }
    let mut said = BTreeSet::new();
    for article in articles {
        go_on()?;
        if deletion::say_again(mysql, article).await? > 0 {
            said.insert(Partition::of(article.number()));
        }
    }
    snapshot::save_again(redis, articles).await?;
    settle::in_redis(mysql, &said, patience).await?;
    Ok(all)
}
