//! `persister erase`: takes people out.

mod remains;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clap::Args;
use contract::{Cause, Kind, Truth, UserId, UserNumber, Written, scripts::Undo};
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{ids, remains::Remains};
use crate::{
    backoff::pause,
    ledger::{
        articles, bars,
        clock::clocks,
        comparison::Counter,
        erased::{last_event, mark_erased},
        erasure::{self, Deleted},
        holds::undo,
        lock::{IN_OR_OUT, alone},
        markers::all_warm,
        marks::Marks,
        names::{self, Names},
        pair::by_partition,
    },
    output::{counted, json_line, line, progress},
    store::{StoreError, Stores, servers::Servers},
};

/// Pairs of one script call: a few milliseconds of Redis's time.
const PER_CALL: usize = 250;
/// A request that was let in before the bar takes no longer than this.
const LET_IN: Duration = Duration::from_secs(3);
/// The clocks of servers differ by less than this, unless one was set wrong.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// What the error of an interrupted erasure says.
const STAYS: &str = "the users stay barred until you run the erasure again";

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// The user; may be given more than once.
    #[arg(long, value_parser = UserId::read)]
    user: Vec<UserId>,
    /// A file with one id a line; - is standard input.
    #[arg(long)]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct EraseOptions {
    #[command(flatten)]
    whom: Whom,
    /// Print one JSON object for each user instead of text.
    #[arg(long)]
    json: bool,
}

impl Whom {
    /// Each user once.
    fn users(&self) -> anyhow::Result<BTreeSet<UserId>> {
        match &self.file {
            Some(file) => ids::of_file(file, UserId::read),
            None => Ok(self.user.iter().cloned().collect()),
        }
    }
}

/// How much was erased of one user.
#[derive(Debug, Serialize)]
struct Erased {
    /// How much was switched off in Redis now, of the kinds that Redis decides.
    in_redis: BTreeMap<Kind, u64>,
    /// Rows that were in MySQL, including those of what the user had switched off.
    in_mysql: BTreeMap<Kind, u64>,
    /// Last reads that were in MySQL.
    reads: u64,
}

#[derive(Serialize)]
struct Report<'a> {
    user_id: &'a UserId,
    erased: &'a Erased,
    remains: Vec<&'a Remains>,
}

pub(crate) async fn run(stores: &Stores, options: &EraseOptions, stop: &CancellationToken) -> anyhow::Result<()> {
    let users = options.whom.users().context("nothing was changed")?;
    let users: Vec<UserId> = users.into_iter().collect();
    names::are_theirs(&stores.mysql, &users).await.context("nothing was changed")?;
    let mut redis = stores.redis.reach(stop).await?;
    let work = Box::pin(erase(stores, &mut redis, &users, stop));
    let erased = alone(&stores.mysql, IN_OR_OUT, stop, work).await?;
    let remains = remains::of(stores, &mut redis).await?;
    let still_barred = bars::reasons(&stores.mysql, &users).await?;
    report(options, &users, &erased, &remains, &still_barred)
}

/// Erases the users. In this order, the work can be interrupted anywhere and repeated:
///
/// 1. Record in MySQL that the users are erased: no delivery applies what they did until now.
/// 2. Bar the users, so that they can change nothing.
/// 3. Switch off everything that they have on in Redis, and wait until requests from before the bar have ended.
/// 4. Record the erasure again, with a time after those requests. Wait for consumers that do not know of it.
/// 5. Delete the rows in MySQL.
/// 6. Lift the bars when the clocks have passed that time.
async fn erase(
    stores: &Stores,
    redis: &mut Servers,
    users: &[UserId],
    stop: &CancellationToken,
) -> anyhow::Result<Vec<Erased>> {
    all_warm(redis).await.context("nothing was changed")?;
    let now = now(redis).await?;
    for user in users {
        mark_erased(&stores.mysql, user.number(), now).await?;
    }
    bars::bar(&stores.mysql, redis, users, bars::ERASING).await?;
    let barred = Instant::now();

    all_warm(redis).await.context(STAYS)?;
    let mut in_redis = out_of_redis(stores, redis, users, stop).await?;
    pause(LET_IN.saturating_sub(barred.elapsed()), stop).await;
    ensure!(!stop.is_cancelled(), "stopped: {STAYS}");
    // Not before the events of step 3, nor before any event that MySQL has: a clock may have been set back.
    let mut last = self::now(redis).await?;
    for user in users {
        last = last.max(last_event(&stores.mysql, user.number()).await?);
    }
    for user in users {
        mark_erased(&stores.mysql, user.number(), last).await?;
    }
    erasure::wait_for_consumers(&stores.mysql).await?;
    // A rebuild that began meanwhile may have read the rows before they are deleted.
    all_warm(redis).await.context(STAYS)?;
    let mut erased = Vec::with_capacity(users.len());
    for user in users {
        let Deleted { by_kind: in_mysql, reads } = erasure::delete(&stores.mysql, user.number()).await?;
        erased.push(Erased { in_redis: in_redis.remove(&user.number()).unwrap_or_default(), in_mysql, reads });
    }
    clocks_are_past(redis, last, stop).await?;
    for user in users {
        bars::lift(&stores.mysql, redis, user.number(), bars::ERASING).await?;
    }
    Ok(erased)
}

fn report(
    options: &EraseOptions,
    users: &[UserId],
    erased: &[Erased],
    remains: &[Remains],
    still_barred: &HashMap<UserNumber, String>,
) -> anyhow::Result<()> {
    for (user_id, erased) in users.iter().zip(erased) {
        let bar = still_barred.get(&user_id.number()).map(|reason| remains::bar(user_id, reason));
        if options.json {
            json_line(&Report { user_id, erased, remains: remains.iter().chain(&bar).collect() })?;
            continue;
        }
        line(format_args!(
            "user {user_id}: {} out of Redis; {} and {} out of MySQL; counts lowered",
            each(&erased.in_redis),
            each(&erased.in_mysql),
            counted(erased.reads, "last read"),
        ))?;
        bar.iter().try_for_each(|bar| line(format_args!("  {bar}")))?;
    }
    if options.json {
        return Ok(());
    }
    line("What remains:")?;
    remains.iter().try_for_each(|remains| line(format_args!("  {remains}")))
}

/// `3 likes, 0 dislikes`.
fn each(by_kind: &BTreeMap<Kind, u64>) -> String {
    by_kind.iter().map(|(kind, count)| format!("{count} {}", kind.count())).collect::<Vec<_>>().join(", ")
}

/// The time by Redis's clock, which dates the events. If there are several servers, it is the latest of their times.
async fn now(redis: &mut Servers) -> Result<Timestamp, StoreError> {
    Ok(clocks(redis).await?.into_iter().max().unwrap_or(Timestamp::MIN))
}

/// Waits until every server's clock is past that moment. Before, anything that the users do would count as done before the
/// erasure.
async fn clocks_are_past(redis: &mut Servers, last: Timestamp, stop: &CancellationToken) -> anyhow::Result<()> {
    loop {
        let slowest = clocks(redis).await?.into_iter().min().unwrap_or(Timestamp::MAX);
        if slowest > last {
            return Ok(());
        }
        let ahead = Duration::try_from(last.duration_since(slowest)).unwrap_or_default();
        ensure!(
            ahead < LONGEST_WAIT,
            "a clock of Redis is {0} s behind the last event: correct the clock, or wait {0} s; {STAYS}",
            ahead.as_secs()
        );
        ensure!(!stop.is_cancelled(), "stopped: {STAYS}");
        pause(ahead + Duration::from_millis(1), stop).await;
    }
}

/// Switches off everything that the users have on in Redis, for every article that Redis has, whether MySQL has it or not.
/// Each change makes an event with cause `erase`. Only the kinds that Redis decides: the others follow MySQL. Returns how
/// much was switched off, by user and kind.
async fn out_of_redis(
    stores: &Stores,
    redis: &mut Servers,
    users: &[UserId],
    stop: &CancellationToken,
) -> anyhow::Result<HashMap<UserNumber, BTreeMap<Kind, u64>>> {
    let kinds = Kind::of(Truth::Redis);
    let counters: Vec<Counter> = articles::in_redis(redis, kinds.clone()).await?.into_iter().collect();
    info!(counters = counters.len(), users = users.len(), "looking for what the users have on");
    let bar = progress((counters.len() * users.len()) as u64, "erasing");
    let none: BTreeMap<Kind, u64> = kinds.map(|kind| (kind, 0)).collect();
    let mut taken: HashMap<UserNumber, BTreeMap<Kind, u64>> =
        users.iter().map(|user| (user.number(), none.clone())).collect();
    let mut marks = Marks::default();
    for counters in counters.chunks(PER_CALL) {
        let names = Names::of(&stores.mysql, [], counters.iter().map(|(article, _)| *article)).await?;
        for (partition, counters) in by_partition(counters) {
            let all = counters.iter().flat_map(|(article, kind)| users.iter().map(move |user| (*article, *kind, user)));
            let written =
                all.map(|(article, kind, user)| Written { kind, user: user.clone(), article: names.article(article) });
            let written: Vec<Written> = written.collect();
            for pairs in written.chunks(PER_CALL) {
                ensure!(!stop.is_cancelled(), "stopped: {STAYS}");
                let off = Undo { partition, pairs, cause: Cause::Erase, until: "" };
                let done = undo(redis, &off, &mut marks).await?;
                for (Written { kind, user, .. }, _) in pairs.iter().zip(done).filter(|(_, done)| *done) {
                    *taken.entry(user.number()).or_default().entry(*kind).or_default() += 1;
                }
                bar.inc(pairs.len() as u64);
            }
        }
    }
    bar.finish_and_clear();
    Ok(taken)
}
