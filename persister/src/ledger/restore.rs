//! Writing Redis from MySQL.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use contract::{
    ArticleNumber, Kind, Partition, Truth, UserNumber,
    keys::BarSet,
    scripts::{Call, RestoreBars, RestoreMembers, RestoreStats},
};
use futures::TryStreamExt as _;
use sqlx::{MySqlPool, query_as, query_scalar};
use tracing::info;

use super::{bars, deleted, erased};
use crate::{
    metrics,
    store::{
        Store, StoreError,
        scripts::{Gathered, accepted},
        servers::Servers,
    },
};

/// User ids in one call, and in one pipeline.
const PER_CALL: usize = 5000;
const PER_PIPELINE: usize = 20_000;
/// Sets of bars in one pipeline. With a million bars, these sets have 16,000 users.
const SETS: usize = 64;
/// Users of an article that are in memory at once.
const IN_MEMORY: usize = 100_000;
/// Bytes of sketches in one pipeline.
const SKETCHES: usize = 1 << 20;
const LOG_EVERY: Duration = Duration::from_secs(1);
/// Declaring partitions whole takes a few milliseconds, however many there are.
const MOMENT: Duration = Duration::from_millis(500);

/// What a rebuild restored, and how long it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// Pairs of user and article, of all kinds.
    pub(crate) members: u64,
    /// Articles with views or reads.
    pub(crate) articles: u64,
    pub(crate) took: Duration,
}

impl Written {
    pub(crate) fn members_per_second(&self) -> u64 {
        rate(self.members, self.took)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "for people")]
fn rate(count: u64, took: Duration) -> u64 {
    (count as f64 / took.as_secs_f64().max(0.001)) as u64
}

/// A rebuild in progress. The bars of all partitions are written first. Then the partitions get their counters and members
/// one after another, and each may serve as soon as it has them.
pub(crate) struct Restore<'a> {
    mysql: &'a MySqlPool,
    /// The partitions are empty, and fenced for rebuild `id`.
    partitions: &'a [Partition],
    id: &'a str,
    /// Users and the time of their erasure. What they did before it must not come back, even if a row is left.
    erased: HashMap<i64, i64>,
    /// Articles and the version of their deletion. What happened to them up to it must not come back either.
    deleted: HashMap<i64, (i64, i64)>,
    /// How many of the partitions have everything.
    done: usize,
    written: Written,
    began: Instant,
    logged: Instant,
}

impl<'a> Restore<'a> {
    /// Writes bars.
    pub(crate) async fn begin(
        mysql: &'a MySqlPool,
        redis: &mut Servers,
        partitions: &'a [Partition],
        id: &'a str,
    ) -> Result<Self, StoreError> {
        let began = Instant::now();
        restore_bars(mysql, redis, partitions, id).await?;
        let written = Written { members: 0, articles: 0, took: Duration::ZERO };
        let erased = erased::all(mysql).await?;
        let deleted = deleted::all(mysql).await?;
        Ok(Self { mysql, partitions, id, erased, deleted, done: 0, written, began, logged: began })
    }

    /// Writes counters and members for a moment. Returns the partitions that this completed, or none if all were complete before.
    pub(crate) async fn next(&mut self, redis: &mut Servers) -> Result<&'a [Partition], StoreError> {
        let (from, began) = (self.done, Instant::now());
        let mut writer = Writer::new(redis, self.id);
        while let Some(partition) = self.partitions.get(self.done) {
            if self.done > from && began.elapsed() > MOMENT {
                break;
            }
            self.written.articles += restore_stats(self.mysql, &mut writer, *partition).await?;
            self.restore_members(&mut writer, *partition).await?;
            self.done += 1;
        }
        writer.flush().await?;
        self.written.members += writer.members;
        self.written.took = self.began.elapsed();
        if self.logged.elapsed() > LOG_EVERY {
            self.logged = Instant::now();
            let (partitions, of, members) = (self.done, self.partitions.len(), self.written.members);
            info!(partitions, of, members, members_per_second = self.written.members_per_second(), "rebuilding");
        }
        Ok(&self.partitions[from..self.done])
    }

    /// Scans the partition's part of a covering index, article by article. An article with many users is written in parts, so
    /// that it takes little memory, and that MySQL does not wait with the scan for long. Rows with an invalid user or article are
    /// skipped.
    async fn restore_members(&self, writer: &mut Writer<'_>, partition: Partition) -> Result<(), StoreError> {
        let mut rows = query_as::<_, (i64, u8, i64, i64, i64)>(
            "SELECT article_id, kind, user_id, version_ms, version_seq FROM interaction FORCE INDEX (by_partition)
             WHERE p = ? AND article_id > 0 AND user_id > 0 AND status = 1
             ORDER BY article_id, kind, status, version_ms, version_seq",
        )
        .bind(partition.get())
        .fetch(self.mysql);
        let (mut current, mut users, mut about) = (None, Vec::new(), None);
        while let Some((article, code, user, ms, seq)) = rows.try_next().await? {
            // A kind of a newer release is restored by that release.
            let Some(kind) = Kind::from_code(code) else { continue };
            let of = (ArticleNumber::try_from(article).map_err(|_| below("interaction"))?, kind);
            if current != Some(of) {
                if let Some(before) = current.replace(of) {
                    writer.members(before, about, &users).await?;
                }
                users.clear();
                about = None;
            }
            if kind.truth() == Truth::Redis && self.is_gone(article, user, (ms, seq)) {
                continue;
            }
            users.push(UserNumber::try_from(user).map_err(|_| below("interaction"))?);
            if users.len() == IN_MEMORY {
                if about.is_none() {
                    about = Some(self.count(of).await?.max(IN_MEMORY as u64));
                }
                writer.members(of, about, &users).await?;
                users.clear();
            }
        }
        if let Some(last) = current {
            writer.members(last, about, &users).await?;
        }
        Ok(())
    }

    /// MySQL's count of a kind and an article. Rows may be left out, so the rebuild counts by itself.
    async fn count(&self, (article, kind): (ArticleNumber, Kind)) -> Result<u64, StoreError> {
        let count: Option<u64> =
            query_scalar("SELECT CAST(count AS UNSIGNED) FROM interaction_count WHERE article_id = ? AND kind = ?")
                .bind(article.get())
                .bind(kind.code())
                .fetch_optional(self.mysql)
                .await?;
        Ok(count.unwrap_or(0))
    }

    /// Whether a row is from before an erasure or a deletion. Rows of MySQL's own kinds are deleted by the erasure or the
    /// deletion itself, and are dated by another clock.
    fn is_gone(&self, article: i64, user: i64, version: (i64, i64)) -> bool {
        self.erased.get(&user).is_some_and(|at| version.0 <= *at)
            || self.deleted.get(&article).is_some_and(|last| version <= *last)
    }

    /// What has been restored so far.
    pub(crate) const fn written(&self) -> Written {
        self.written
    }
}

fn below(table: &str) -> StoreError {
    StoreError::Answer(Store::Mysql, format!("{table} has an id below 1"))
}

async fn restore_stats(mysql: &MySqlPool, writer: &mut Writer<'_>, partition: Partition) -> Result<u64, StoreError> {
    let mut rows = query_as::<_, (i64, i64, Option<Vec<u8>>, i64)>(
        "SELECT article_id, pv, uv_sketch, read_count FROM article_stats FORCE INDEX (by_partition)
         WHERE p = ? AND article_id > 0 AND (pv > 0 OR read_count > 0)",
    )
    .bind(partition.get())
    .fetch(mysql);
    let mut total = 0;
    while let Some((article, pv, sketch, reads)) = rows.try_next().await? {
        let article = ArticleNumber::try_from(article).map_err(|_| below("article_stats"))?;
        let uv_sketch = sketch.unwrap_or_default();
        let weight = 1000 + uv_sketch.len() * 1_000_000 / SKETCHES;
        writer.add(&RestoreStats { rebuild: writer.id, article, pv, uv_sketch, reads }, weight).await?;
        total += 1;
    }
    Ok(total)
}

/// Every partition has a copy of all bars.
async fn restore_bars(
    mysql: &MySqlPool,
    redis: &mut Servers,
    partitions: &[Partition],
    id: &str,
) -> Result<(), StoreError> {
    let sets = bars::all(mysql).await?;
    let some: Vec<(BarSet, &[UserNumber])> =
        sets.iter().flat_map(|(set, users)| users.chunks(1000).map(|users| (*set, users))).collect();
    for partition in partitions {
        for some in some.chunks(SETS) {
            let calls = some.iter().copied();
            let calls = calls.map(|(set, users)| RestoreBars { partition: *partition, set, rebuild: id, users });
            accepted(redis, &calls.collect::<Vec<_>>()).await?;
        }
    }
    Ok(())
}

/// Collects script calls into pipelines.
struct Writer<'a> {
    redis: &'a mut Servers,
    id: &'a str,
    calls: Gathered,
    /// How full the pipeline is, in parts per million.
    weight: usize,
    members: u64,
}

impl<'a> Writer<'a> {
    fn new(redis: &'a mut Servers, id: &'a str) -> Self {
        Self { redis, id, calls: Gathered::default(), weight: 0, members: 0 }
    }

    /// Writes users of a kind and an article. `about` is how many these have in all, if that is more.
    async fn members(
        &mut self,
        (article, kind): (ArticleNumber, Kind),
        about: Option<u64>,
        users: &[UserNumber],
    ) -> Result<(), StoreError> {
        let about = about.unwrap_or(users.len() as u64);
        self.members += users.len() as u64;
        metrics::REBUILT_MEMBERS.add(users.len() as u64, &[("kind", kind.name())]);
        for some in users.chunks(PER_CALL) {
            let restore = RestoreMembers { rebuild: self.id, kind, article, about, users: some };
            // A call costs about as much as 20 ids.
            self.add(&restore, (some.len() + 20) * 1_000_000 / PER_PIPELINE).await?;
        }
        Ok(())
    }

    async fn add(&mut self, call: &impl Call<Answer = ()>, weight: usize) -> Result<(), StoreError> {
        self.calls.add(self.redis, call)?;
        self.weight += weight;
        if self.weight >= 1_000_000 { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        self.weight = 0;
        self.calls.send(self.redis).await
    }
}
