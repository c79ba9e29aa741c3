//! `persister revoke`: takes back the likes that an attack left.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Args;
use contract::{ArticleId, Change, UserId, Version};
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{events::each, selection::Selection};
use crate::{
    ledger::{bars, holds::Holder, likes::rows_of, marks::Marks, pair::Pair, settle::settle},
    output::{counted, json_line, line, progress, table, tame},
    store::{StoreError, Stores},
};

/// Pairs that are held at once, and so for how long: until MySQL has caught up.
const TOGETHER: usize = 5000;
/// What the process exits with where something is left to do.
const UNFINISHED: u8 = 3;
const LONGEST: usize = 32;

#[derive(Debug, Args)]
pub(crate) struct RevokeOptions {
    #[command(flatten)]
    selection: Selection,
    /// Do it. Without this it is only said what would be done.
    #[arg(long)]
    execute: bool,
    /// Bar the users of the selected likes too, from liking and collecting.
    #[arg(long)]
    bar: bool,
    /// Why they are barred, for whoever looks into it later.
    #[arg(long, default_value = "revoke")]
    reason: String,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// How long to wait for MySQL to catch up, in seconds. Meanwhile the likes in hand cannot be changed.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    wait_seconds: u64,
}

/// The latest selected like of a pair.
#[derive(Debug, Clone)]
struct Selected {
    version: Version,
    at: Timestamp,
    ip_hash: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// It stands because of the selected event; nothing was done.
    WouldUndo,
    /// MySQL has not applied the event yet, or its user was erased since; nothing was done.
    NotInMysql,
    /// It stood and was taken back.
    Undone,
    /// It does not stand because of the selected event: its user took it back, or gave it again, or it was undone.
    ChangedSince,
    /// Another revoke holds it.
    Busy,
    /// MySQL took longer to catch up than the hold lasts; nothing was done.
    HoldRanOut,
}

#[derive(Serialize)]
struct Line<'a> {
    user_id: UserId,
    article_id: ArticleId,
    version: Version,
    occurred_at: Timestamp,
    ip_hash: &'a str,
    outcome: Outcome,
}

pub(crate) async fn run(
    stores: &Stores,
    options: &RevokeOptions,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    ensure!(
        options.selection.is_narrow(),
        "name the likes by --article, --user or --ip-hash; a time alone is everybody"
    );
    let selected = select(stores, &options.selection, stop).await?;
    let users: Vec<UserId> = selected.keys().map(|(user, _)| *user).collect::<BTreeSet<_>>().into_iter().collect();
    let mut outcomes = Outcomes::new();
    let may_stand = still_possible(stores, &selected, &mut outcomes).await?;
    if options.execute {
        let mut redis = stores.redis.connect().await?;
        if options.bar {
            bars::bar(&stores.mysql, &mut redis, &users, &options.reason).await?;
        }
        execute(stores, options, &selected, &may_stand, &mut outcomes, stop).await?;
    } else {
        for pair in may_stand {
            outcomes.entry(pair).or_insert(Outcome::WouldUndo);
        }
    }
    print(options, &selected, &outcomes, users.len())?;
    let unfinished = outcomes.values().any(|outcome| matches!(outcome, Outcome::Busy | Outcome::HoldRanOut));
    Ok(if unfinished { ExitCode::from(UNFINISHED) } else { ExitCode::SUCCESS })
}

type Outcomes = BTreeMap<Pair, Outcome>;

async fn select(
    stores: &Stores,
    selection: &Selection,
    stop: &CancellationToken,
) -> anyhow::Result<BTreeMap<Pair, Selected>> {
    let mut selected: BTreeMap<Pair, Selected> = BTreeMap::new();
    each(stores, selection, stop, |event, _| {
        if let (Change::Like(true), Some(user)) = (event.change, event.user) {
            let new = Selected { version: event.version, at: event.occurred_at, ip_hash: event.ip_hash.clone() };
            // Of several selected likes of a pair only the latest can be why it stands.
            let latest = selected.entry((user, event.article)).or_insert_with(|| new.clone());
            if new.version > latest.version {
                *latest = new;
            }
        }
        Ok(())
    })
    .await?;
    Ok(selected)
}

/// The pairs whose row is not newer than the selected event. Of the others it is certain without a hold that something
/// came after it, since versions only grow.
async fn still_possible(
    stores: &Stores,
    selected: &BTreeMap<Pair, Selected>,
    outcomes: &mut Outcomes,
) -> Result<Vec<Pair>, StoreError> {
    let pairs: Vec<Pair> = selected.keys().copied().collect();
    let mut possible = Vec::new();
    for pairs in pairs.chunks(TOGETHER) {
        let rows = rows_of(&stores.mysql, pairs).await?;
        for pair in pairs {
            match (rows.get(pair), selected.get(pair)) {
                (Some((version, _)), Some(of)) if *version > of.version => {
                    outcomes.insert(*pair, Outcome::ChangedSince);
                }
                (Some((version, _)), Some(of)) if *version == of.version => possible.push(*pair),
                // Looked for again under the hold, if it comes to that.
                _ => {
                    outcomes.insert(*pair, Outcome::NotInMysql);
                    possible.push(*pair);
                }
            }
        }
    }
    Ok(possible)
}

async fn execute(
    stores: &Stores,
    options: &RevokeOptions,
    selected: &BTreeMap<Pair, Selected>,
    pairs: &[Pair],
    outcomes: &mut Outcomes,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let patience = Duration::from_secs(options.wait_seconds);
    let mut holder = Holder::new(stores, patience).await?;
    let mut undone = Marks::default();
    let bar = progress(pairs.len() as u64, "revoking");
    for pairs in pairs.chunks(TOGETHER) {
        let round = round(stores, &mut holder, selected, pairs, outcomes, &mut undone, patience, stop).await;
        // What is not released now runs out by itself; the first error says more.
        let released = holder.release().await;
        round?;
        released?;
        bar.inc(pairs.len() as u64);
    }
    bar.finish_and_clear();
    settle(stores, holder.redis(), &undone, patience, stop)
        .await
        .context("all is undone in Redis, but MySQL does not have it yet")
}

#[expect(clippy::too_many_arguments, reason = "one step of the loop above, apart for its early returns")]
async fn round(
    stores: &Stores,
    holder: &mut Holder,
    selected: &BTreeMap<Pair, Selected>,
    pairs: &[Pair],
    outcomes: &mut Outcomes,
    undone: &mut Marks,
    patience: Duration,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (held, marks) = holder.hold(pairs).await?;
    outcomes.extend(pairs.iter().filter(|pair| !held.contains(pair)).map(|pair| (*pair, Outcome::Busy)));
    settle(stores, holder.redis(), &marks, patience, stop).await?;
    // Nobody changes these pairs now, and MySQL has all that was changed before.
    let rows = rows_of(&stores.mysql, &held).await?;
    let stands = |pair: &Pair| {
        selected.get(pair).is_some_and(|of| rows.get(pair).is_some_and(|(version, on)| *on && *version == of.version))
    };
    let (standing, changed): (BTreeSet<Pair>, BTreeSet<Pair>) = held.into_iter().partition(stands);
    outcomes.extend(changed.into_iter().map(|pair| (pair, Outcome::ChangedSince)));
    for (pair, done) in holder.undo(&standing, undone).await? {
        outcomes.insert(pair, if done { Outcome::Undone } else { Outcome::HoldRanOut });
    }
    Ok(())
}

fn print(
    options: &RevokeOptions,
    selected: &BTreeMap<Pair, Selected>,
    outcomes: &Outcomes,
    users: usize,
) -> anyhow::Result<()> {
    let mut rows = table(&["user", "article", "liked", "version", "ip hash", "outcome"]);
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    for (pair, of) in selected {
        let Some(outcome) = outcomes.get(pair) else { continue };
        let text = match outcome {
            Outcome::WouldUndo => "would be undone",
            Outcome::NotInMysql => "not in MySQL",
            Outcome::Undone => "undone",
            Outcome::ChangedSince => "changed since",
            Outcome::Busy => "held by another revoke",
            Outcome::HoldRanOut => "hold ran out",
        };
        *sums.entry(text).or_default() += 1;
        let (user_id, article_id) = *pair;
        let Selected { version, at, ip_hash } = of;
        if options.json {
            json_line(&Line { user_id, article_id, version: *version, occurred_at: *at, ip_hash, outcome: *outcome })?;
        } else {
            let ip_hash = tame(ip_hash.as_bytes(), LONGEST);
            let (version, at) = (version.to_string(), at.to_string());
            rows.add_row([&user_id.to_string(), &article_id.to_string(), &at, &version, &ip_hash, text]);
        }
    }
    if options.json {
        return Ok(());
    }
    if !selected.is_empty() {
        line(rows)?;
    }
    let sums: Vec<String> = sums.iter().map(|(text, count)| format!("{count} {text}")).collect();
    line(format_args!(
        "{} selected: {}",
        counted(selected.len(), "like"),
        if sums.is_empty() { "-".to_owned() } else { sums.join(", ") }
    ))?;
    if options.bar {
        let users = counted(users, "user");
        line(format_args!("{users} {}", if options.execute { "barred" } else { "would be barred" }))?;
    }
    if !options.execute {
        line("nothing was changed; --execute does it")?;
    }
    Ok(())
}
