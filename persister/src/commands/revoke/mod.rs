//! `persister revoke`: switches off what an attack left on.

mod options;
mod report;
mod selected;
mod undo;

use std::{collections::BTreeSet, process::ExitCode, time::Duration};

use anyhow::ensure;
use contract::UserId;
use tokio_util::sync::CancellationToken;

pub(crate) use self::options::RevokeOptions;
use self::{
    selected::{Outcome, Outcomes, select, still_possible},
    undo::Work,
};
use crate::{
    ledger::{bars, erased},
    store::Stores,
};

/// The exit code if work is left.
const UNFINISHED: u8 = 3;

pub(crate) async fn run(
    stores: &Stores,
    options: &RevokeOptions,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    ensure!(
        options.selection.is_narrow(),
        "select events by --article, --user or --ip-hash; a time or a kind alone would select every user"
    );
    let selected = select(stores, &options.selection, stop).await?;
    let users: BTreeSet<UserId> = selected.values().map(|of| of.written.user.clone()).collect();
    let mut users: Vec<UserId> = users.into_iter().collect();
    // A bar would store the name of an erased user again. `bars add` can still bar such a user.
    let erased = erased::of(&stores.mysql, &users).await?;
    users.retain(|user| !erased.contains(&user.number()));
    let mut outcomes = Outcomes::new();
    let may_stand = still_possible(&stores.mysql, &selected, &mut outcomes).await?;
    if options.execute {
        if options.bar {
            bars::bar(&stores.mysql, &mut stores.redis.reach(stop).await?, &users, &options.reason).await?;
        }
        let wait = Duration::from_secs(options.wait_seconds);
        Work { stores, selected: &selected, wait, stop }.undo(&may_stand, &mut outcomes).await?;
    } else {
        for pair in may_stand {
            outcomes.entry(pair).or_insert(Outcome::WouldUndo);
        }
    }
    report::print(options, &selected, &outcomes, users.len())?;
    let unfinished = outcomes.values().any(|outcome| matches!(outcome, Outcome::Busy | Outcome::HoldRanOut));
    Ok(if unfinished { ExitCode::from(UNFINISHED) } else { ExitCode::SUCCESS })
}
