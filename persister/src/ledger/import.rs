//! Importing pairs and counters of another system. Every change that was made here is newer, and stays.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    ArticleId, Cause, Change, Event, Pair, Partition, Truth, Version, Written,
    scripts::{CountersImported, EXCLUDED, IMPORTED, ImportCounters, WAS_THERE},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::MySqlPool;

use super::{
    apply::apply,
    deleted, erased,
    holds::Holder,
    known::write_marks,
    marks::Marks,
    names::NewNames,
    rows::rows_of,
    settle::{self, Patience},
    snapshot, toggle,
};
use crate::store::{StoreError, Stores, mysql::is_deadlock, scripts::accepted};

/// Parallel calls of the procedure. Each waits for the disk, which syncs several commits together.
const AT_ONCE: usize = 4;
/// How often a transaction is tried while another one is in the way.
const TRIES: u32 = 5;
/// Rows in one transaction.
const ROWS_TOGETHER: usize = 1000;

/// Pairs, each with the time since which it is on.
pub(crate) type Since = BTreeMap<Pair, (Written, Timestamp)>;

/// An article's page views and reads.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) article: ArticleId,
    pub(crate) pv: u64,
    pub(crate) reads: u64,
}

/// The result of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The row is imported.
    Imported,
    /// The row was here before, or its user has changed the pair here.
    Known,
    /// Another kind is on here that excludes this one.
    Excluded,
    /// The article has other counters here.
    Counted,
    /// The user was erased.
    Erased,
    /// The article was deleted here after this time.
    Deleted,
    /// The number of an id belongs to another id.
    Collides,
    /// Another command holds the pair, or the hold expired before MySQL caught up.
    Busy,
}

/// Switches pairs on, each in the store that decides its kind.
pub(crate) async fn pairs(
    stores: &Stores,
    holder: &mut Holder,
    since: &Since,
    patience: &Patience<'_>,
) -> Result<BTreeMap<Pair, Outcome>, StoreError> {
    let mut outcomes = refused(stores, since).await?;
    let rest = since.keys().filter(|pair| !outcomes.contains_key(*pair)).copied();
    let (of_redis, of_mysql): (Vec<Pair>, Vec<Pair>) = rest.partition(|(_, kind, _)| kind.truth() == Truth::Redis);
    if !of_redis.is_empty() {
        let done = in_redis(stores, holder, since, (&of_redis, patience)).await;
        // Holds that are not released now expire. Report the first error, since it says more.
        let released = holder.release().await;
        outcomes.extend(done?);
        released?;
    }
    outcomes.extend(in_mysql(stores, since, &of_mysql).await?);
    Ok(outcomes)
}

/// The pairs that must not be imported. Stores the names of all others.
async fn refused(stores: &Stores, since: &Since) -> Result<BTreeMap<Pair, Outcome>, StoreError> {
    let mut outcomes = BTreeMap::new();
    let users: Vec<_> = since.values().map(|(written, _)| written.user.clone()).collect();
    let erased = erased::of(&stores.mysql, &users).await?;
    let times = since.iter().map(|((article, ..), (_, at))| (*article, version(*at)));
    let deleted = deleted::since(&mut *stores.mysql.acquire().await?, times).await?;
    let mut names = NewNames::default();
    for (pair, (written, _)) in since {
        if erased.contains(&pair.2) {
            outcomes.insert(*pair, Outcome::Erased);
        } else if deleted.contains(&pair.0.get()) {
            outcomes.insert(*pair, Outcome::Deleted);
        } else {
            names.user(&written.user);
            names.article(&written.article);
        }
    }
    let collisions = names.write(&mut *stores.mysql.acquire().await?).await?;
    if !collisions.is_empty() {
        let texts: BTreeSet<&str> = collisions.iter().map(|(.., text)| &**text).collect();
        let collides = |name: Option<&str>| name.is_some_and(|name| texts.contains(name));
        let bad = since.iter().filter(|(_, (of, _))| collides(of.user.name()) || collides(of.article.name()));
        outcomes.extend(bad.map(|(pair, _)| (*pair, Outcome::Collides)));
    }
    Ok(outcomes)
}

/// The version of an imported row is its time, so every change made here has a newer version.
fn version(at: Timestamp) -> Version {
    Version { ms: u64::try_from(at.as_millisecond()).unwrap_or_default(), seq: 0 }
}

/// Nobody can change the pairs while they are held, and MySQL has every earlier change. So a pair without a row was never on
/// here. Redis comes first, because its script checks exclusions. If the run ends between Redis and MySQL, the next run completes
/// it. No event has what Redis gets here, so MySQL records the outboxes' last ids: a Redis that loses it ends below them.
async fn in_redis(
    stores: &Stores,
    holder: &mut Holder,
    since: &Since,
    (pairs, patience): (&[Pair], &Patience<'_>),
) -> Result<BTreeMap<Pair, Outcome>, StoreError> {
    let (held, marks) = holder.hold(pairs).await?;
    settle::in_mysql(stores, holder.redis(), &marks, patience).await?;
    let rows = rows_of(&stores.mysql, &held).await?;
    let mut outcomes: BTreeMap<Pair, Outcome> = pairs.iter().map(|pair| (*pair, Outcome::Busy)).collect();
    let mut missing = BTreeSet::new();
    for pair in held {
        let is_ours = |row: &(Version, bool)| since.get(&pair).is_some_and(|(_, at)| *row == (version(*at), true));
        if rows.get(&pair).is_none_or(is_ours) {
            missing.insert(pair);
        } else {
            outcomes.insert(pair, Outcome::Known);
        }
    }
    let (mut events, mut marks) = (Vec::new(), Marks::default());
    for (pair, outcome) in holder.import(&missing, &mut marks).await? {
        let outcome = match outcome {
            EXCLUDED => Outcome::Excluded,
            WAS_THERE if rows.contains_key(&pair) => Outcome::Known,
            IMPORTED | WAS_THERE => {
                events.extend(since.get(&pair).map(|(written, at)| event(written, *at)));
                Outcome::Imported
            }
            _ => Outcome::Busy,
        };
        outcomes.insert(pair, outcome);
    }
    write_marks(&stores.mysql, &marks).await?;
    write(stores, &events).await?;
    Ok(outcomes)
}

/// Writes rows by the transaction of the consumer, which may be working on the same partitions. Writes them in parts, so that a
/// slow MySQL completes each in time. If a part fails, the next run of the import writes the parts that are missing.
async fn write(stores: &Stores, events: &[Event]) -> Result<(), StoreError> {
    for part in events.chunks(ROWS_TOGETHER) {
        let part: Vec<&Event> = part.iter().collect();
        let mut tries = 1;
        loop {
            match apply(&stores.mysql, &part).await {
                Err(StoreError::Mysql(error)) if is_deadlock(&error) && tries < TRIES => tries += 1,
                outcome => break outcome?,
            }
        }
    }
    Ok(())
}

/// The event that the user's own request would have caused.
fn event(Written { kind, user, article }: &Written, at: Timestamp) -> Event {
    Event {
        version: version(at),
        user: Some(user.clone()),
        article: article.clone(),
        change: Change::Switch(*kind, true),
        cause: Cause::User,
        occurred_at: at,
        request_id: String::new(),
        ip_hash: String::new(),
    }
}

/// One transaction checks for a row and inserts it, so no hold is needed.
async fn in_mysql(stores: &Stores, since: &Since, pairs: &[Pair]) -> Result<BTreeMap<Pair, Outcome>, StoreError> {
    let calls = pairs.iter().filter_map(|pair| since.get(pair)).map(|(written, at)| async move {
        let toggled = toggle::import(&stores.mysql, written, version(*at)).await?;
        let outcome = if toggled.changed { Outcome::Imported } else { Outcome::Known };
        Ok::<_, StoreError>((written.pair(), outcome))
    });
    stream::iter(calls).buffer_unordered(AT_ONCE).try_collect().await
}

/// Sets the counters of articles that have none. Returns the outcomes in the same order.
///
/// MySQL first learns which page views are another system's, so that the history does not count them when they are saved.
/// If Redis refuses an article's counters, MySQL's record of that article is set back. The counters that Redis takes are saved
/// in MySQL at once, because no event repeats them.
pub(crate) async fn counters(
    mysql: &MySqlPool,
    holder: &mut Holder,
    rows: &[Counted],
) -> Result<Vec<Outcome>, StoreError> {
    // A further row of an article finds the counters of the first.
    let mut articles = BTreeSet::new();
    let is_first: Vec<bool> = rows.iter().map(|row| articles.insert(row.article.number())).collect();
    let firsts: Vec<&Counted> = rows.iter().zip(&is_first).filter(|(_, first)| **first).map(|(row, _)| row).collect();
    let expected = snapshot::expected(mysql, firsts.iter().map(|row| row.article.number())).await?;
    snapshot::expect(mysql, firsts.iter().map(|row| (row.article.number(), row.pv))).await?;
    let calls: Vec<ImportCounters> = firsts
        .iter()
        .map(|Counted { article, pv, reads }| ImportCounters { article: article.clone(), pv: *pv, reads: *reads })
        .collect();
    let answers = accepted(holder.redis(), &calls).await?;
    let (mut marks, mut outcomes) = (Marks::default(), Vec::new());
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for (Counted { article, .. }, CountersImported { last, outcome, pv }) in firsts.iter().zip(answers) {
        let number = article.number();
        marks.add(Partition::of(number), last);
        outcomes.push(match outcome {
            IMPORTED => Outcome::Imported,
            WAS_THERE => Outcome::Known,
            _ => Outcome::Counted,
        });
        if outcomes.last() == Some(&Outcome::Counted) {
            // If MySQL expected more views than Redis has, an earlier run ended before it gave them to Redis.
            refused.push((number, expected.get(&number).copied().filter(|expected| *expected <= pv).unwrap_or(0)));
        } else {
            taken.push(article.clone());
        }
    }
    snapshot::expect(mysql, refused.into_iter()).await?;
    write_marks(mysql, &marks).await?;
    snapshot::save_these(mysql, holder.redis(), &taken).await?;
    let mut outcomes = outcomes.into_iter();
    let outcome = |first| if first { outcomes.next() } else { None }.unwrap_or(Outcome::Counted);
    Ok(is_first.into_iter().map(outcome).collect())
}

/// The epoch of every partition, which grows with each rebuild, and the server that is known to be whole.
pub(crate) async fn epochs(holder: &mut Holder) -> Result<Vec<(u64, String)>, StoreError> {
    let partitions: Vec<Partition> = Partition::all().collect();
    let markers = super::markers::markers(holder.redis(), &partitions).await?;
    Ok(markers.into_iter().map(|(_, marker)| (marker.epoch, marker.server)).collect())
}
