//! The first look: both stores in passing. Counts that are wrong within one store are certain at once; what differs
//! between the stores may only be on its way.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use contract::{ArticleId, Partition, UserId, keys, scripts};
use futures::TryStreamExt as _;
use sqlx::query_as;

use super::{Difference, Findings, Suspects, What, Work};
use crate::{
    consume::json,
    output::progress,
    store::redis::{call, run_scripts},
};

/// Articles looked at together; their likers are held in memory, 8 bytes and the trees' share each.
const TOGETHER: usize = 50;
const SETS: usize = 500;

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
        mysql_counts(work, &some, findings).await?;
        let mut by_redis = redis_likers(work, &some).await?;
        let mut by_mysql = mysql_likers(work, &some).await?;
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
) -> anyhow::Result<Vec<ArticleId>> {
    let mut calls = redis::pipe();
    for article in articles {
        let partition = Partition::of(*article);
        let keys = [keys::warm(partition), keys::outbox(partition), keys::likes(*article), keys::members(*article)];
        let mut compare = call(&scripts::COMPARE, keys);
        compare.arg(work.redis.name(partition).context("Redis")?);
        calls.add_command(compare);
    }
    let answers: Vec<Vec<String>> = run_scripts(&mut work.redis, &calls).await.context("Redis")?;
    let mut warm = Vec::with_capacity(articles.len());
    for (article, answer) in articles.iter().zip(answers) {
        let [answered, _, likes, members] = &answer[..] else {
            findings.cold.insert(*article);
            continue;
        };
        ensure!(answered == "OK", "Redis answered {answered}");
        warm.push(*article);
        note(findings, What::RedisCount, *article, likes.parse()?, members.parse()?);
    }
    Ok(warm)
}

/// MySQL's counts against its own likes, both as of one moment: that of the statement.
async fn mysql_counts(work: &Work<'_>, articles: &[ArticleId], findings: &mut Findings) -> anyhow::Result<()> {
    let Some(articles) = json(articles.iter().map(|article| [article.get()])) else { return Ok(()) };
    let rows: Vec<(i64, i64, i64)> = query_as(
        "SELECT e.article_id,
                COALESCE((SELECT s.like_count FROM article_stats s WHERE s.article_id = e.article_id), 0),
                (SELECT COUNT(*) FROM user_like l WHERE l.article_id = e.article_id AND l.status = 1)
         FROM JSON_TABLE(?, '$[*]' COLUMNS (article_id BIGINT PATH '$[0]')) e",
    )
    .bind(articles)
    .fetch_all(&work.stores.mysql)
    .await
    .context("MySQL")?;
    for (article, likes, members) in rows {
        note(findings, What::MysqlCount, article.try_into()?, likes, members);
    }
    Ok(())
}

fn note(findings: &mut Findings, what: What, article_id: ArticleId, found: i64, against: i64) {
    if found != against {
        let none = Difference { what, article_id, user_id: None, found, against, mysql_version: None, repaired: false };
        findings.differences.push(none);
    }
}

type Likers = BTreeMap<ArticleId, BTreeSet<UserId>>;

/// Out of all the sets that an article's likes are spread over. One that is split meanwhile may hide a user, who then
/// is looked at closely.
async fn redis_likers(work: &mut Work<'_>, articles: &[ArticleId]) -> anyhow::Result<Likers> {
    let mut ask = redis::pipe();
    for article in articles {
        ask.cmd("GET").arg(format!("{}:n", keys::members(*article)));
    }
    let counts: Vec<Option<u64>> = ask.query_async(&mut work.redis).await.context("Redis")?;
    let sets: Vec<(ArticleId, String)> = articles
        .iter()
        .zip(counts)
        .flat_map(|(article, count)| {
            let members = keys::members(*article);
            (0..count.unwrap_or(1))
                .map(move |set| (*article, if set == 0 { members.clone() } else { format!("{members}:{set}") }))
        })
        .collect();
    let mut likers = Likers::new();
    for some in sets.chunks(SETS) {
        let mut ask = redis::pipe();
        for (_, key) in some {
            ask.cmd("SMEMBERS").arg(key);
        }
        let members: Vec<Vec<i64>> = ask.query_async(&mut work.redis).await.context("Redis")?;
        for ((article, key), members) in some.iter().zip(members) {
            let of = likers.entry(*article).or_default();
            for user in members {
                of.insert(user.try_into().with_context(|| format!("{key} has a member that is no user id"))?);
            }
        }
    }
    Ok(likers)
}

async fn mysql_likers(work: &Work<'_>, articles: &[ArticleId]) -> anyhow::Result<Likers> {
    let mut likers = Likers::new();
    let Some(articles) = json(articles.iter().map(|article| [article.get()])) else { return Ok(likers) };
    let mut rows = query_as::<_, (i64, i64)>(
        "SELECT l.article_id, l.user_id
         FROM JSON_TABLE(?, '$[*]' COLUMNS (article_id BIGINT PATH '$[0]')) e
         STRAIGHT_JOIN user_like l ON l.article_id = e.article_id AND l.status = 1",
    )
    .bind(articles)
    .fetch(&work.stores.mysql);
    while let Some((article, user)) = rows.try_next().await.context("MySQL")? {
        likers.entry(article.try_into()?).or_default().insert(user.try_into()?);
    }
    Ok(likers)
}
