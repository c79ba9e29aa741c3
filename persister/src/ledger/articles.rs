//! The articles that each store has.

use std::collections::BTreeSet;

use contract::{ArticleNumber, Kind, keys};
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

/// Every article with users of these kinds, or a count, in MySQL.
pub(crate) async fn in_mysql(
    mysql: &MySqlPool,
    kinds: impl Iterator<Item = Kind>,
) -> Result<BTreeSet<ArticleNumber>, StoreError> {
    let codes = kinds.map(|kind| kind.code().to_string()).collect::<Vec<_>>().join(",");
    if codes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = format!(
        "SELECT article_id FROM interaction WHERE status = 1 AND article_id > 0 AND kind IN ({codes})
         UNION SELECT article_id FROM interaction_count WHERE count <> 0 AND article_id > 0 AND kind IN ({codes})"
    );
    let ids: Vec<i64> = query_scalar(AssertSqlSafe(sql)).fetch_all(mysql).await?;
    let below = |_| StoreError::Answer(Store::Mysql, "an article id below 1".to_owned());
    ids.into_iter().map(|id| ArticleNumber::try_from(id).map_err(below)).collect()
}
