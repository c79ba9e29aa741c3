//! The articles that each store has.

use std::collections::BTreeSet;

use contract::{ArticleNumber, Kind, keys};
use futures::TryStreamExt as _;
use redis::aio::MultiplexedConnection;
use sqlx::{AssertSqlSafe, MySqlPool, query_scalar};

use super::comparison::Counter;
use crate::store::{Store, StoreError, servers::Servers};

const SCAN: usize = 2000;

/// The articles with users of these kinds, or a count, in Redis.
pub(crate) async fn in_redis(
    servers: &mut Servers,
    kinds: impl Iterator<Item = Kind> + Clone,
) -> Result<BTreeSet<Counter>, StoreError> {
    let mut found = BTreeSet::new();
    for server in servers.each() {
        for kind in kinds.clone() {
            scan(server, kind, &mut found).await?;
        }
    }
    Ok(found)
}

async fn scan(server: &mut MultiplexedConnection, kind: Kind, found: &mut BTreeSet<Counter>) -> Result<(), StoreError> {
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(keys::any_of(kind)).arg("COUNT").arg(SCAN);
        let (next, names): (u64, Vec<String>) = scan.query_async(server).await?;
        let counters = names.iter().filter_map(|key| keys::kind_and_article(key));
        found.extend(counters.filter(|(of, _)| *of == kind).map(|(kind, article)| (article, kind)));
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

/// Every article with a row of these kinds, on or off, or with a count, in MySQL.
pub(crate) async fn in_mysql(
    mysql: &MySqlPool,
    kinds: impl Iterator<Item = Kind>,
) -> Result<BTreeSet<ArticleNumber>, StoreError> {
    let codes = kinds.map(|kind| kind.code().to_string()).collect::<Vec<_>>().join(",");
    if codes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let below = |_| StoreError::Answer(Store::Mysql, "an article id below 1".to_owned());
    let mut found = BTreeSet::new();
    for rows in [
        // These columns begin the primary key. So where pairs of article and kind have many rows, the server skips to the next
        // pair. With the status it would read every row.
        "SELECT DISTINCT article_id, kind FROM interaction WHERE",
        "SELECT article_id FROM interaction_count WHERE count <> 0 AND",
    ] {
        let sql = format!("{rows} article_id > 0 AND kind IN ({codes})");
        let mut ids = query_scalar::<_, i64>(AssertSqlSafe(sql)).fetch(mysql);
        while let Some(id) = ids.try_next().await? {
            found.insert(ArticleNumber::try_from(id).map_err(below)?);
        }
    }
    Ok(found)
}
