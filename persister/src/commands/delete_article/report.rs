//! What was deleted, and what remains.

use std::collections::BTreeMap;

use contract::{ArticleId, Kind, Truth, scripts::Removed};
use serde::Serialize;

use crate::{
    commands::remains::Remains,
    ledger::deletion::Rows,
    output::{counted, json_line, line},
    store::{Stores, servers::Servers},
};

/// What was deleted of one article.
#[derive(Debug, Default, Serialize)]
pub(super) struct Deleted {
    /// How many users had each kind on, according to the store that decides the kind.
    on: BTreeMap<Kind, u64>,
    pv: u64,
    uv: u64,
    reads: u64,
    /// Rows that were in MySQL, including those of what users had switched off.
    rows: BTreeMap<Kind, u64>,
    /// Last reads that were in MySQL.
    pub(super) last_reads: u64,
}

impl Deleted {
    pub(super) fn rows(&mut self, kind: Kind, rows: Rows) {
        self.rows.insert(kind, rows.all);
    }

    pub(super) fn was_on(&mut self, kind: Kind, count: u64) {
        self.on.insert(kind, count);
    }

    pub(super) fn of_redis(&mut self, removed: &Removed) {
        for (kind, count) in Kind::ALL.iter().zip(&removed.by_kind).filter(|(kind, _)| kind.truth() == Truth::Redis) {
            self.was_on(*kind, *count);
        }
        (self.pv, self.uv, self.reads) = (removed.pv, removed.uv, removed.reads);
    }
}

#[derive(Serialize)]
struct Report<'a> {
    article_id: &'a ArticleId,
    deleted: &'a Deleted,
    remains: &'a [Remains],
}

pub(super) async fn report(
    stores: &Stores,
    redis: &mut Servers,
    json: bool,
    articles: &[ArticleId],
    deleted: &[Deleted],
) -> anyhow::Result<()> {
    let remains = remains(stores, redis).await?;
    for (article_id, deleted) in articles.iter().zip(deleted) {
        if json {
            json_line(&Report { article_id, deleted, remains: &remains })?;
            continue;
        }
        let on: Vec<String> = deleted.on.iter().map(|(kind, count)| counted(*count, kind.name())).collect();
        let Deleted { pv, uv, reads, .. } = deleted;
        line(format_args!(
            "article {article_id}: {} were on; {pv} PV, {uv} UV, {}; {} and {} out of MySQL",
            on.join(", "),
            counted(*reads, "read"),
            counted(deleted.rows.values().sum::<u64>(), "row"),
            counted(deleted.last_reads, "last read"),
        ))?;
    }
    if json {
        return Ok(());
    }
    line("What remains:")?;
    remains.iter().try_for_each(|remains| line(format_args!("  {remains}")))
}

/// What a deletion does not reach, and until when it stays.
async fn remains(stores: &Stores, redis: &mut Servers) -> anyhow::Result<Vec<Remains>> {
    let events = "events of the article, which no delivery applies any more";
    let letters = "such events among those that could not be applied; a replay does not bring them back";
    let mut all = Vec::from(Remains::in_kafka(stores, [events, letters]).await?);
    all.push(Remains::new(
        "view tokens that visitors still have",
        "a read with such a token still counts, from zero like everything else",
        "for 24 hours",
    ));
    all.extend(Remains::in_logs(stores, redis, "the commands that named the article").await?);
    all.push(Remains::new(
        "backups",
        "all of it, as it was",
        "until they are deleted; after restoring one, delete the article again",
    ));
    all.push(Remains::new(
        "table deleted_article",
        "the article's number, the time and a version, so that nothing comes back",
        "for good",
    ));
    Ok(all)
}
