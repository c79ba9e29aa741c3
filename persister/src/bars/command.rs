//! `persister bars`: who may not like or collect, for people.

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use comfy_table::Cell;
use contract::UserId;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::query_as;

use super::{ERASING, bar, lift_any};
use crate::{
    output::{counted, json_line, line, table, tame},
    store::Stores,
};

#[derive(Debug, Subcommand)]
pub(crate) enum BarsCommand {
    /// Show who is barred, since when and why, the latest first.
    #[command(after_help = "Example: persister bars list --json")]
    List(ListOptions),
    /// Bar users: their likes and favourites stay, new ones answer 403. One who is barred already stays so for the
    /// older reason.
    #[command(after_help = "Example: persister bars add --user 7,8 --reason 'ring of 26 Nov'")]
    Add(AddOptions),
    /// Let users in again. Safe to repeat, which finishes what was cut short.
    #[command(after_help = "Example: persister bars lift --user 7")]
    Lift(Users),
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AddOptions {
    #[command(flatten)]
    users: Users,
    /// Why, for whoever looks into it later.
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct Users {
    /// Whom; may be repeated, or several separated by commas.
    #[arg(long = "user", required = true, value_delimiter = ',')]
    users: Vec<UserId>,
}

#[derive(Serialize)]
struct Barred {
    user_id: UserId,
    since: Timestamp,
    reason: String,
}

pub(crate) async fn run(stores: &Stores, command: BarsCommand) -> anyhow::Result<()> {
    match command {
        BarsCommand::List(options) => list(stores, &options).await,
        BarsCommand::Add(AddOptions { users: Users { users }, reason }) => {
            ensure!(reason != ERASING, "that reason is kept for users who are being erased");
            let mut redis = stores.redis.connect().await.context("Redis")?;
            bar(&stores.mysql, &mut redis, &users, &reason).await?;
            line(format_args!("{} barred", counted(users.len(), "user")))
        }
        BarsCommand::Lift(Users { users }) => {
            let mut redis = stores.redis.connect().await.context("Redis")?;
            for user in &users {
                let erasing = lift_any(&stores.mysql, &mut redis, *user).await?;
                ensure!(!erasing, "user {user} is being erased, which lifts the bar at its end: erase --user {user}");
            }
            line(format_args!("{} let in again", counted(users.len(), "user")))
        }
    }
}

async fn list(stores: &Stores, options: &ListOptions) -> anyhow::Result<()> {
    let rows: Vec<(i64, i64, String)> = query_as(
        "SELECT user_id, CAST(UNIX_TIMESTAMP(at) * 1000 AS SIGNED), reason FROM user_bar ORDER BY at DESC, user_id",
    )
    .fetch_all(&stores.mysql)
    .await
    .context("MySQL")?;
    let mut shown = table(&["user", "since", "reason"]);
    for (user, ms, reason) in rows {
        let user_id = UserId::try_from(user).context("user_bar has a user id below 1")?;
        let since = Timestamp::from_millisecond(ms)?;
        if options.json {
            json_line(&Barred { user_id, since, reason })?;
        } else {
            shown.add_row([Cell::new(user_id), Cell::new(since), Cell::new(tame(reason.as_bytes(), 80))]);
        }
    }
    if options.json { Ok(()) } else { line(shown) }
}
