//! `persister erase`: takes a person out.

mod remains;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clap::Args;
use contract::{Cause, Kind, Pair, Truth, UserId, Written, scripts::Undo};
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    backoff::pause,
    ledger::{
        articles, bars,
        clock::clocks,
        erased::{last_event, mark_erased},
        erasure::{self, Deleted},
        holds::undo,
        markers::all_warm,
        marks::Marks,
        names::Names,
        pair::by_partition,
    },
    output::{counted, json_line, line, progress},
    store::{StoreError, Stores, servers::Servers},
};

/// Articles of one script call: a few milliseconds of Redis's time.
const PER_CALL: usize = 250;
/// A request that was let in before the bar takes no longer than this.
const LET_IN: Duration = Duration::from_secs(3);
/// Clocks of servers differ by less, unless one was set wrong.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// What an erasure that ends on the way says of itself.
const STAYS: &str = "the user stays barred until the erasure is repeated";

#[derive(Debug, Args)]
pub(crate) struct EraseOptions {
    /// Whom.
    #[arg(long, value_parser = UserId::read)]
    user: UserId,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// How much was erased.
#[derive(Debug, Serialize)]
struct Erased {
    /// Switched off in Redis now, of the kinds that it decides.
    in_redis: BTreeMap<Kind, u64>,
    /// Rows that were in MySQL, of what the user had switched off too.
    in_mysql: BTreeMap<Kind, u64>,
    /// Last reads that were in MySQL.
    reads: u64,
}

#[derive(Serialize)]
struct Report<'a> {
    user_id: &'a UserId,
    erased: Erased,
    remains: Vec<remains::Remains>,
}

/// In this order, so that it can be cut short anywhere and be repeated: what happened until now counts no more in any
/// delivery; the user can change nothing; Redis, and so what a rebuild could not know of; MySQL.
pub(crate) async fn run(stores: &Stores, options: &EraseOptions, stop: &CancellationToken) -> anyhow::Result<()> {
    let user = &options.user;
    let mut redis = stores.redis.connect().await?;
    all_warm(&mut redis).await.context("nothing was changed")?;
    let now = now(&mut redis).await?;
    mark_erased(&stores.mysql, user.number(), now).await?;
    bars::bar(&stores.mysql, &mut redis, std::slice::from_ref(user), bars::ERASING).await?;
    let barred = Instant::now();

    all_warm(&mut redis).await.context(STAYS)?;
    let in_redis = out_of_redis(stores, &mut redis, user, stop).await?;
    pause(LET_IN.saturating_sub(barred.elapsed()), stop).await;
    ensure!(!stop.is_cancelled(), "stopped: {STAYS}");
    // Again, later than the last event that the above made, and than all that MySQL knows: a clock may have been set
    // back.
    let last = last_event(&stores.mysql, user.number()).await?.max(self::now(&mut redis).await?);
    mark_erased(&stores.mysql, user.number(), last).await?;
    erasure::wait_for_consumers(&stores.mysql).await?;
    // A rebuild that began meanwhile may have read the rows before they are deleted.
    all_warm(&mut redis).await.context(STAYS)?;
    let Deleted { by_kind: in_mysql, reads } = erasure::delete(&stores.mysql, user.number()).await?;
    let erased = Erased { in_redis, in_mysql, reads };
    clocks_are_past(&mut redis, last, stop).await?;
    bars::lift(&stores.mysql, &mut redis, user.number(), bars::ERASING).await?;

    let remains = remains::of(&stores.kafka).await?;
    if options.json {
        return json_line(&Report { user_id: user, erased, remains });
    }
    line(format_args!(
        "user {user}: {} out of Redis; {} and {} out of MySQL; counts lowered",
        each(&erased.in_redis),
        each(&erased.in_mysql),
        counted(erased.reads, "last read"),
    ))?;
    line("What remains:")?;
    remains.iter().try_for_each(|remains| line(format_args!("  {remains}")))
}

/// `3 likes, 0 dislikes`.
fn each(by_kind: &BTreeMap<Kind, u64>) -> String {
    by_kind.iter().map(|(kind, count)| format!("{count} {}", kind.count())).collect::<Vec<_>>().join(", ")
}

/// By the clock that events are dated by; of several servers', the one that is ahead.
async fn now(redis: &mut Servers) -> Result<Timestamp, StoreError> {
    Ok(clocks(redis).await?.into_iter().max().unwrap_or(Timestamp::MIN))
}

/// Until every server's clock is past that moment: what the user does next would count as done before the erasure.
async fn clocks_are_past(redis: &mut Servers, last: Timestamp, stop: &CancellationToken) -> anyhow::Result<()> {
    loop {
        let slowest = clocks(redis).await?.into_iter().min().unwrap_or(Timestamp::MAX);
        if slowest > last {
            return Ok(());
        }
        let ahead = Duration::try_from(last.duration_since(slowest)).unwrap_or_default();
        ensure!(
            ahead < LONGEST_WAIT,
            "a clock of Redis is {} s behind the user's last event: set it right, or wait so long; {STAYS}",
            ahead.as_secs()
        );
        ensure!(!stop.is_cancelled(), "stopped: {STAYS}");
        pause(ahead + Duration::from_millis(1), stop).await;
    }
}

/// Switches off all that the user has on in Redis, of every article that it knows, whether MySQL has it or not; how much
/// that was. An event with cause `erase` says so of each. Only of the kinds that Redis decides: the others follow MySQL.
async fn out_of_redis(
    stores: &Stores,
    redis: &mut Servers,
    user: &UserId,
    stop: &CancellationToken,
) -> anyhow::Result<BTreeMap<Kind, u64>> {
    let kinds = Kind::of(Truth::Redis);
    let counters = articles::in_redis(redis, kinds.clone()).await?;
    info!(counters = counters.len(), "looking for what the user has on");
    let pairs: Vec<Pair> = counters.into_iter().map(|(article, kind)| (article, kind, user.number())).collect();
    let bar = progress(pairs.len() as u64, "erasing");
    let mut taken: BTreeMap<Kind, u64> = kinds.map(|kind| (kind, 0)).collect();
    let mut marks = Marks::default();
    for (partition, pairs) in by_partition(&pairs) {
        for pairs in pairs.chunks(PER_CALL) {
            ensure!(!stop.is_cancelled(), "stopped: {STAYS}");
            let names = Names::of(&stores.mysql, [], pairs.iter().map(|(article, ..)| *article)).await?;
            let written = |(article, kind, _): &Pair| Written {
                kind: *kind,
                user: user.clone(),
                article: names.article(*article),
            };
            let written: Vec<Written> = pairs.iter().map(written).collect();
            let off = Undo { partition, pairs: &written, cause: Cause::Erase, until: "" };
            let done = undo(redis, &off, &mut marks).await?;
            for ((_, kind, _), _) in pairs.iter().zip(done).filter(|(_, done)| *done) {
                *taken.entry(*kind).or_default() += 1;
            }
            bar.inc(pairs.len() as u64);
        }
    }
    bar.finish_and_clear();
    Ok(taken)
}
