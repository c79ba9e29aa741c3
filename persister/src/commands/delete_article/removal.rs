//! Removes an article from Redis, and records the deletion in MySQL.

use anyhow::bail;
use contract::{
    ArticleId, Partition,
    scripts::{DeleteArticle, Removed},
};
use jiff::Timestamp;

use crate::{
    ledger::{deleted::Deletion, deletion::mark, markers::markers},
    store::{
        StoreError, Stores,
        scripts::{call, refused},
        servers::Servers,
    },
};

/// How often to try. A rebuild in between is rare, and two are rarer.
const TRIES: usize = 5;

/// Removes everything that Redis has of the article, and records in MySQL up to which version. Returns what was removed.
pub(super) async fn remove(
    stores: &Stores,
    redis: &mut Servers,
    article: &ArticleId,
    token: u64,
) -> anyhow::Result<Removed> {
    let partition = Partition::of(article.number());
    for _ in 0..TRIES {
        let delete = DeleteArticle { article: article.clone(), token };
        let removed = call(redis, &delete).await?.map_err(|refusal| refused(&delete, refusal))?;
        let at = Timestamp::from_millisecond(removed.at_ms)?;
        mark(&stores.mysql, article.number(), &Deletion { version: removed.last, at }).await?;
        // A rebuild that began before the record may have restored deleted rows. A rebuild that begins now does not.
        if epoch(redis, partition).await? == Some(removed.epoch) {
            return Ok(removed);
        }
    }
    bail!("partition {partition} is rebuilt again and again")
}

/// The partition's epoch; none while it is not warm.
async fn epoch(redis: &mut Servers, partition: Partition) -> Result<Option<u64>, StoreError> {
    for (_, marker) in markers(redis, &[partition]).await? {
        if marker.server == redis.name(partition)? {
            return Ok(Some(marker.epoch));
        }
    }
    Ok(None)
}
