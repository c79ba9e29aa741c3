//! Bringing in what another system had: pairs that are on since some time, and counters. What has happened here is newer, and
//! stays.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    ArticleId, Cause, Change, Event, Pair, Partition, Truth, Version, Written,
    scripts::{EXCLUDED, IMPORTED, ImportCounters, WAS_THERE},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    apply::apply,
    erased,
    holds::Holder,
    names::NewNames,
    rows::rows_of,
    settle::{self, Patience},
    toggle,
};
use crate::store::{StoreError, Stores, mysql::is_deadlock, scripts::accepted};

/// Calls of the procedure at once: each waits for the disk, and the disk takes several together.
const AT_ONCE: usize = 4;
/// How often a transaction is tried where another one stands in the way.
const TRIES: u32 = 5;

/// Pairs, and since when each is on.
pub(crate) type Since = BTreeMap<Pair, (Written, Timestamp)>;

/// An article's page views and reads.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) article: ArticleId,
    pub(crate) pv: u64,
    pub(crate) reads: u64,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It is here since now.
    Imported,
    /// It was here, or its user has changed it here.
    Known,
    /// A kind is on here that excludes it.
    Excluded,
    /// Something else has been counted here.
    Counted,
    /// The user was erased.
    Erased,
    /// Another id has the same number.
    Collides,
    /// Another command has the pair in hand, or the stores took longer than its hold lasts.
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
        // What is not released now runs out by itself; the first error says more.
        let released = holder.release().await;
        outcomes.extend(done?);
        released?;
    }
    outcomes.extend(in_mysql(stores, since, &of_mysql).await?);
    Ok(outcomes)
}

/// Those that neither store may get. The names of all others are kept.
async fn refused(stores: &Stores, since: &Since) -> Result<BTreeMap<Pair, Outcome>, StoreError> {
    let mut outcomes = BTreeMap::new();
    let users: Vec<_> = since.values().map(|(written, _)| written.user.clone()).collect();
    let erased = erased::of(&stores.mysql, &users).await?;
    let mut names = NewNames::default();
    for (pair, (written, _)) in since {
        if erased.contains(&pair.2) {
            outcomes.insert(*pair, Outcome::Erased);
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

/// The time itself: whatever a user does here has a version that is newer.
fn version(at: Timestamp) -> Version {
    Version { ms: u64::try_from(at.as_millisecond()).unwrap_or_default(), seq: 0 }
}

/// Nobody changes the pairs while they are held, and MySQL has all that was changed before: one without a row was never on here.
/// Redis first, since its answer says what may be on; a run that ends in between is completed by the next one.
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
    let mut events = Vec::new();
    for (pair, outcome) in holder.import(&missing).await? {
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
    write(stores, &events).await?;
    Ok(outcomes)
}

/// As the consumer does, which may have the same partitions in hand.
async fn write(stores: &Stores, events: &[Event]) -> Result<(), StoreError> {
    let events: Vec<&Event> = events.iter().collect();
    if events.is_empty() {
        return Ok(());
    }
    let mut tries = 1;
    loop {
        match apply(&stores.mysql, &events).await {
            Err(StoreError::Mysql(error)) if is_deadlock(&error) && tries < TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}

/// What the user's own request would have said.
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

/// One transaction looks at the row and makes it, so nothing has to be held.
async fn in_mysql(stores: &Stores, since: &Since, pairs: &[Pair]) -> Result<BTreeMap<Pair, Outcome>, StoreError> {
    let calls = pairs.iter().filter_map(|pair| since.get(pair)).map(|(written, at)| async move {
        let toggled = toggle::import(&stores.mysql, written, version(*at)).await?;
        let outcome = if toggled.changed { Outcome::Imported } else { Outcome::Known };
        Ok::<_, StoreError>((written.pair(), outcome))
    });
    stream::iter(calls).buffer_unordered(AT_ONCE).try_collect().await
}

/// Sets counters where nothing has been counted; what became of each, in their order.
pub(crate) async fn counters(holder: &mut Holder, rows: &[Counted]) -> Result<Vec<Outcome>, StoreError> {
    let calls: Vec<ImportCounters> = rows
        .iter()
        .map(|Counted { article, pv, reads }| ImportCounters { article: article.clone(), pv: *pv, reads: *reads })
        .collect();
    let outcomes = accepted(holder.redis(), &calls).await?;
    let outcome = |outcome| match outcome {
        IMPORTED => Outcome::Imported,
        WAS_THERE => Outcome::Known,
        _ => Outcome::Counted,
    };
    Ok(outcomes.into_iter().map(outcome).collect())
}

/// The epoch of every partition: one that has grown was rebuilt meanwhile.
pub(crate) async fn epochs(holder: &mut Holder) -> Result<Vec<u64>, StoreError> {
    let partitions: Vec<Partition> = Partition::all().collect();
    let markers = super::markers::markers(holder.redis(), &partitions).await?;
    Ok(markers.into_iter().map(|(_, marker)| marker.epoch).collect())
}
