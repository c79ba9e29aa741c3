//! Which articles there are.

use std::collections::BTreeSet;

use contract::ArticleId;
use redis::aio::MultiplexedConnection;
use sqlx::{MySqlPool, query_scalar};

use crate::store::{Store, StoreError, servers::Servers};

const SCAN: usize = 2000;

/// Every article that Redis keeps likes of, or a count.
pub(crate) async fn in_redis(servers: &mut Servers) -> Result<BTreeSet<ArticleId>, StoreError> {
    let mut found = BTreeSet::new();
    for server in servers.each() {
        scan(server, &mut found).await?;
    }
    Ok(found)
}

async fn scan(server: &mut MultiplexedConnection, found: &mut BTreeSet<ArticleId>) -> Result<(), StoreError> {
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg("{*}:*:like:*").arg("COUNT").arg(SCAN);
        let (next, keys): (u64, Vec<String>) = scan.query_async(server).await?;
        found.extend(keys.iter().filter_map(|key| of_key(key)));
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

/// The article of a key of `keys::likes` or `keys::members`, or of a further set of members.
fn of_key(key: &str) -> Option<ArticleId> {
    let (_, rest) = key.split_once("}:")?;
    let rest = rest.strip_prefix("article:like:").or_else(|| rest.strip_prefix("user:like:"))?;
    rest.split(':').next()?.parse().ok()
}

/// Every article that MySQL keeps likes of, or a count.
pub(crate) async fn in_mysql(mysql: &MySqlPool) -> Result<BTreeSet<ArticleId>, StoreError> {
    let ids: Vec<i64> = query_scalar(
        "SELECT article_id FROM user_like WHERE status = 1 AND article_id > 0
         UNION SELECT article_id FROM article_stats WHERE like_count <> 0 AND article_id > 0",
    )
    .fetch_all(mysql)
    .await?;
    let below = |_| StoreError::Answer(Store::Mysql, "an article id below 1".to_owned());
    ids.into_iter().map(|id| ArticleId::try_from(id).map_err(below)).collect()
}

#[cfg(test)]
mod tests {
    use contract::keys;

    use super::*;

    #[test]
    fn an_article_is_found_in_its_keys_and_in_no_others() {
        let article: ArticleId = "42".parse().expect("an id");
        for key in [keys::likes(article), keys::members(article), format!("{}:7", keys::members(article))] {
            assert_eq!(of_key(&key), Some(article), "{key}");
        }
        assert_eq!(of_key("{94}:limit:like:user:7"), None);
        assert_eq!(of_key(&keys::pv(article)), None);
    }
}
