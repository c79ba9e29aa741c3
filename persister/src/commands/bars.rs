//! `persister bars`: the users who may switch no kind on or off.

use anyhow::ensure;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use contract::UserId;
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::bars::{self, Barred, ERASING, bar, lift_any},
    output::{counted, json_line, line, table, tame},
    store::Stores,
};

#[derive(Debug, Subcommand)]
pub(crate) enum BarsCommand {
    /// List who is barred, since when and why, latest first.
    #[command(after_help = "Example: persister bars list --json")]
    List(ListOptions),
    /// Bar users. What they have on stays; every change that they send is answered 403. A user who is barred already keeps
    /// the older reason.
    #[command(after_help = "Example: persister bars add --user 7,8 --reason 'ring of 26 Nov'")]
    Add(AddOptions),
    /// Lift the bars of users. Safe to repeat; a second run finishes an interrupted one.
    #[command(after_help = "Example: persister bars lift --user 7")]
    Lift(Users),
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AddOptions {
    #[command(flatten)]
    users: Users,
    /// The reason, which `bars list` shows.
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct Users {
    /// The user; may be given more than once, or as a list separated by commas.
    #[arg(long = "user", required = true, value_delimiter = ',', value_parser = UserId::read)]
    users: Vec<UserId>,
}

#[derive(Serialize)]
struct Shown<'a> {
    user_id: UserId,
    since: Timestamp,
    reason: &'a str,
}

pub(crate) async fn run(stores: &Stores, command: BarsCommand, stop: &CancellationToken) -> anyhow::Result<()> {
    match command {
        BarsCommand::List(options) => list(stores, &options).await,
        BarsCommand::Add(AddOptions { users: Users { users }, reason }) => {
            ensure!(reason != ERASING, "that reason is reserved for users who are being erased");
            let mut redis = stores.redis.reach(stop).await?;
            bar(&stores.mysql, &mut redis, &users, &reason).await?;
            line(format_args!("{} barred", counted(users.len(), "user")))
        }
        BarsCommand::Lift(Users { users }) => {
            let mut redis = stores.redis.reach(stop).await?;
            for user in &users {
                let erasing = lift_any(&stores.mysql, &mut redis, user.number()).await?;
                ensure!(
                    !erasing,
                    "user {user} is being erased: run erase --user {user}, which lifts the bar when it ends"
                );
            }
            line(format_args!("{} let in again", counted(users.len(), "user")))
        }
    }
}

async fn list(stores: &Stores, options: &ListOptions) -> anyhow::Result<()> {
    let mut shown = table(&["user", "since", "reason"]);
    for Barred { user, since, reason } in bars::list(&stores.mysql).await? {
        if options.json {
            json_line(&Shown { user_id: user, since, reason: &reason })?;
        } else {
            shown.add_row([Cell::new(user), Cell::new(since), Cell::new(tame(reason.as_bytes(), 80))]);
        }
    }
    if options.json { Ok(()) } else { line(shown) }
}
