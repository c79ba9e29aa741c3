//! Writing Redis from MySQL.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use contract::{
    ArticleNumber, Kind, Partition, Truth, UserNumber,
    keys::BarSet,
    scripts::{Call, RestoreBars, RestoreMembers, RestoreStats},
};
use futures::TryStreamExt as _;
use sqlx::{MySqlPool, query_as};
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

/// A rebuild in progress. Bars and counters of all partitions are written first. Then the partitions get their members
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
    /// How many of the partitions have their members.
    done: usize,
    written: Written,
    began: Instant,
    logged: Instant,
}

impl<'a> Restore<'a> {
    /// Writes bars and counters.
    pub(crate) async fn begin(
        mysql: &'a MySqlPool,
        redis: &mut Servers,
        partitions: &'a [Partition],
        id: &'a str,
    ) -> Result<Self, StoreError> {
        let began = Instant::now();
        restore_bars(mysql, redis, partitions, id).await?;
        let mut writer = Writer::new(redis, id);
        let articles = restore_stats(mysql, &mut writer, partitions).await?;
        writer.flush().await?;
        let written = Written { members: 0, articles, took: Duration::ZERO };
        let erased = erased::all(mysql).await?;
        let deleted = deleted::all(mysql).await?;
        Ok(Self { mysql, partitions, id, erased, deleted, done: 0, written, began, logged: began })
    }

    /// Writes members for a moment. Returns the partitions that this completed, or none if all were complete before.
    pub(crate) async fn next(&mut self, redis: &mut Servers) -> Result<&'a [Partition], StoreError> {
        let (from, began) = (self.done, Instant::now());
        let mut writer = Writer::new(redis, self.id);
        while let Some(partition) = self.partitions.get(self.done) {
            if self.done > from && began.elapsed() > MOMENT {
                break;
            }
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

    /// Scans the partition's part of a covering index, article by article. The users of one kind and article are in memory
    /// at once, 8 bytes each. Rows with an invalid user or article are skipped.
    async fn restore_members(&self, writer: &mut Writer<'_>, partition: Partition) -> Result<(), StoreError> {
        let mut rows = query_as::<_, (i64, u8, i64, i64, i64)>(
            "SELECT article_id, kind, user_id, version_ms, version_seq FROM interaction FORCE INDEX (by_partition)
             WHERE p = ? AND article_id > 0 AND user_id > 0 AND status = 1
             ORDER BY article_id, kind, status, version_ms, version_seq",
        )
        .bind(partition.get())
        .fetch(self.mysql);
        let (mut current, mut users) = (None, Vec::new());
        while let Some((article, code, user, ms, seq)) = rows.try_next().await? {
            // A kind of a newer release is restored by that release.
            let Some(kind) = Kind::from_code(code) else { continue };
            let of = (ArticleNumber::try_from(article).map_err(|_| below("interaction"))?, kind);
            if current != Some(of) {
                if let Some((article, kind)) = current.replace(of) {
                    writer.members(kind, article, &users).await?;
                }
                users.clear();
            }
            if kind.truth() == Truth::Redis && self.is_gone(article, user, (ms, seq)) {
                continue;
            }
            users.push(UserNumber::try_from(user).map_err(|_| below("interaction"))?);
        }
        if let Some((article, kind)) = current {
            writer.members(kind, article, &users).await?;
        }
        Ok(())
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

async fn restore_stats(
    mysql: &MySqlPool,
    writer: &mut Writer<'_>,
    partitions: &[Partition],
) -> Result<u64, StoreError> {
    let concerned: HashSet<Partition> = partitions.iter().copied().collect();
    let mut rows = query_as::<_, (i64, i64, Option<Vec<u8>>, i64)>(
        "SELECT article_id, pv, uv_sketch, read_count FROM article_stats
         WHERE article_id > 0 AND (pv > 0 OR read_count > 0)",
    )
    .fetch(mysql);
    let mut total = 0;
    while let Some((article, pv, sketch, reads)) = rows.try_next().await? {
        let article = ArticleNumber::try_from(article).map_err(|_| below("article_stats"))?;
        if concerned.contains(&Partition::of(article)) {
            let uv_sketch = sketch.unwrap_or_default();
            let weight = 1000 + uv_sketch.len() * 1_000_000 / SKETCHES;
            writer.add(&RestoreStats { rebuild: writer.id, article, pv, uv_sketch, reads }, weight).await?;
            total += 1;
        }
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

    async fn members(&mut self, kind: Kind, article: ArticleNumber, users: &[UserNumber]) -> Result<(), StoreError> {
        self.members += users.len() as u64;
        metrics::REBUILT_MEMBERS.add(users.len() as u64, &[("kind", kind.name())]);
        for some in users.chunks(PER_CALL) {
            let restore = RestoreMembers { rebuild: self.id, kind, article, total: users.len(), users: some };
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
