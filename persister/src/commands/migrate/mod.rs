//! `persister migrate`: schema, topics and rights.

mod options;
mod topics;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::MySqlPool;
use tokio_util::sync::CancellationToken;

pub(crate) use self::options::MigrateOptions;
use crate::{backoff::Backoff, ledger::schema, store::Stores};

/// Brings MySQL and Kafka to the state that this release needs. Safe to repeat, and to run in several processes at
/// once.
pub(crate) async fn run(stores: &Stores, options: &MigrateOptions, stop: CancellationToken) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_secs(options.wait_seconds);
    wait_for_mysql(&stores.mysql, until, &stop).await?;
    schema::will_do(&stores.mysql).await?;
    schema::migrate(&stores.mysql).await?;
    if let Some(user) = &options.handlers_db_user {
        schema::grant(&stores.mysql, user).await?;
    }
    topics::create(stores, options, until, &stop).await
}

async fn wait_for_mysql(mysql: &MySqlPool, until: Instant, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut backoff = Backoff::new();
    while let Err(error) = mysql.acquire().await {
        // Waiting does not fix a wrong password or a missing database.
        let refused = error.as_database_error().is_some();
        if refused || Instant::now() > until || stop.is_cancelled() {
            return Err(error)
                .context("MySQL at INTERACTION_MYSQL_URL cannot be used; check that it is up and the address right");
        }
        backoff.wait(stop).await;
    }
    Ok(())
}
