//! Page views, visitors and reads: out of Redis, into MySQL.

use std::time::Duration;

use contract::{ArticleId, Partition, keys, scripts};
use redis::{FromRedisValue as _, Value};
use sqlx::{MySqlPool, QueryBuilder, query, query_as};

use crate::store::{
    Store, StoreError,
    scripts::{call, run_scripts},
    servers::Servers,
};

/// An article's counters.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) article: ArticleId,
    pv: i64,
    uv: i64,
    sketch: Vec<u8>,
    reads: i64,
}

/// Records that a snapshot is complete, for those who ask how old the last one is.
pub(crate) async fn remember(mysql: &MySqlPool, took: Duration, articles: u64) -> Result<(), StoreError> {
    query("REPLACE INTO last_snapshot (one, ended_at, took_ms, articles) VALUES (1, UTC_TIMESTAMP(3), ?, ?)")
        .bind(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
        .bind(articles)
        .execute(mysql)
        .await?;
    Ok(())
}

/// Names articles that changed, by partition: `most` of each at most.
pub(crate) async fn take(
    redis: &mut Servers,
    partitions: &[Partition],
    most: usize,
) -> Result<Vec<(Partition, Vec<ArticleId>)>, StoreError> {
    let mut calls = redis::pipe();
    for partition in partitions {
        let keys = [keys::warm(*partition), keys::changed(*partition), keys::saving(*partition)];
        let mut take = call(&scripts::SNAPSHOT_TAKE, keys);
        take.arg(redis.name(*partition)?).arg(most);
        calls.add_command(take);
    }
    let answers: Vec<Vec<String>> = run_scripts(redis, &calls).await?;
    let named = partitions.iter().zip(answers).map(|(partition, answer)| {
        let articles = answer.iter().skip(1).filter_map(|id| id.parse().ok()).collect();
        (*partition, articles)
    });
    Ok(named.collect())
}

/// Reads the counters of articles; those of a partition that went cold in between are left out.
pub(crate) async fn read(
    redis: &mut Servers,
    taken: &[(Partition, Vec<ArticleId>)],
) -> Result<Vec<Counters>, StoreError> {
    let mut calls = redis::pipe();
    for (partition, articles) in taken {
        let of_articles =
            articles.iter().flat_map(|article| [keys::pv(*article), keys::uv(*article), keys::reads(*article)]);
        let mut read = call(&scripts::SNAPSHOT_READ, std::iter::once(keys::warm(*partition)).chain(of_articles));
        read.arg(redis.name(*partition)?);
        calls.add_command(read);
    }
    let answers: Vec<Vec<Value>> = run_scripts(redis, &calls).await?;
    let mut counters = Vec::new();
    for ((_, articles), answer) in taken.iter().zip(answers) {
        // Else it went cold in between.
        if answer.len() == 1 + 4 * articles.len() {
            for (article, values) in articles.iter().zip(answer[1..].chunks(4)) {
                counters.push(Counters::of(*article, values)?);
            }
        }
    }
    Ok(counters)
}

impl Counters {
    fn of(article: ArticleId, values: &[Value]) -> Result<Self, StoreError> {
        let unknown = |what: &str| StoreError::Answer(Store::Redis, format!("snapshot_read answered {what}"));
        let [pv, uv, sketch, reads] = values else { return Err(unknown("in an unknown form")) };
        let number = |value: &Value| match i64::from_redis_value_ref(value) {
            Ok(number) if number < 0 => Err(unknown(&format!("a negative counter of {article}"))),
            Ok(number) => Ok(number),
            Err(_) => Err(unknown("no number")),
        };
        let sketch = Vec::from_redis_value_ref(sketch).map_err(|_| unknown("no bytes"))?;
        Ok(Self { article, pv: number(pv)?, uv: number(uv)?, sketch, reads: number(reads)? })
    }
}

/// Writes counters. Rows come in ascending order of articles, as every writer of the table takes its locks. No number is ever lowered:
/// a snapshot may be late.
pub(crate) async fn write(mysql: &MySqlPool, rows: &[Counters]) -> Result<(), StoreError> {
    let mut insert =
        QueryBuilder::new("INSERT INTO article_stats (article_id, pv, uv, uv_sketch, read_count, updated_at) ");
    insert.push_values(rows, |mut row, of| {
        row.push_bind(of.article.get()).push_bind(of.pv).push_bind(of.uv);
        row.push_bind((!of.sketch.is_empty()).then_some(&of.sketch[..])).push_bind(of.reads).push("UTC_TIMESTAMP(3)");
    });
    // Assigned from left to right: the sketch is compared by the old number of visitors, which goes with it.
    insert.push(
        " ON DUPLICATE KEY UPDATE
            pv = GREATEST(pv, VALUES(pv)),
            uv_sketch = IF(VALUES(uv) >= uv, VALUES(uv_sketch), uv_sketch),
            uv = GREATEST(uv, VALUES(uv)),
            read_count = GREATEST(read_count, VALUES(read_count)),
            updated_at = VALUES(updated_at)",
    );
    insert.build().execute(mysql).await?;
    Ok(())
}

/// Tells Redis which counters are saved. An article that changed meanwhile stays listed.
pub(crate) async fn done(redis: &mut Servers, saved: &[Counters]) -> Result<(), StoreError> {
    let mut calls = redis::pipe();
    for counters in saved {
        let Counters { article, pv, reads, .. } = counters;
        let partition = Partition::of(*article);
        let keys = [keys::saving(partition), keys::changed(partition), keys::pv(*article), keys::reads(*article)];
        let mut done = call(&scripts::SNAPSHOT_DONE, keys);
        done.arg(article.to_string()).arg(pv).arg(reads);
        calls.add_command(done);
    }
    run_scripts::<u64>(redis, &calls).await?;
    Ok(())
}

/// The last snapshot: how long ago in microseconds, how long it took in ms, and how many articles it saved.
pub(super) async fn last(mysql: &MySqlPool) -> Result<Option<(i64, i64, i64)>, StoreError> {
    Ok(query_as("SELECT TIMESTAMPDIFF(MICROSECOND, ended_at, UTC_TIMESTAMP(3)), took_ms, articles FROM last_snapshot")
        .fetch_optional(mysql)
        .await?)
}
