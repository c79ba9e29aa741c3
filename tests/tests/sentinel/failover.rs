//! A replica takes over while clients change things.

use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use anyhow::{Result, ensure};
use contract::Kind;
use futures::future::try_join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sqlx::MySqlPool;
use stack::wait_for;
use tests::{Api, Model, number};

use crate::{
    PATIENCE,
    system::{System, alone},
};

const CLIENTS: i64 = 8;

/// Clients, which go on until they are stopped, and what was acknowledged.
struct Load {
    articles: RangeInclusive<i64>,
    acknowledged: AtomicU64,
    stopped: AtomicBool,
}

impl Load {
    fn on(articles: RangeInclusive<i64>) -> Self {
        Self { articles, acknowledged: AtomicU64::default(), stopped: AtomicBool::default() }
    }

    /// One client. It has users of its own, and repeats what is refused until it is acknowledged.
    async fn client(&self, api: &Api, client: i64, seed: u64) -> Result<Model> {
        let mut random = StdRng::seed_from_u64(seed.wrapping_add(client.cast_unsigned()));
        let mut model = Model::default();
        while !self.stopped.load(Ordering::Relaxed) {
            let pair = (1 + client + CLIENTS * random.random_range(0..20), random.random_range(self.articles.clone()));
            let (kind, on) = (*Kind::ALL.choose(&mut random).expect("there are kinds"), random.random_bool(0.7));
            wait_for("an acknowledgement", PATIENCE, async || {
                let answer = api.switch(kind, pair.1, on).user(pair.0).send().await?;
                ensure!([200, 503].contains(&answer.status.as_u16()), "{kind} of {pair:?}: {answer:?}");
                Ok((answer.status == 200).then_some(()))
            })
            .await?;
            model.switch(kind, pair, on);
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        Ok(model)
    }

    /// Waits until so many more changes were acknowledged.
    async fn more(&self, count: u64) -> Result<()> {
        let enough = self.acknowledged.load(Ordering::Relaxed) + count;
        wait_for("changes", PATIENCE, async || Ok((self.acknowledged.load(Ordering::Relaxed) >= enough).then_some(())))
            .await
    }

    async fn run(&self, api: &Api, meanwhile: impl AsyncFnOnce() -> Result<()>) -> Result<Model> {
        let seed = number("SENTINEL_SEED")?.unwrap_or_else(rand::random);
        println!("seed {seed} (SENTINEL_SEED={seed} repeats it)");
        let clients = try_join_all((0..CLIENTS).map(|client| self.client(api, client, seed)));
        let meanwhile = async {
            let outcome = meanwhile().await;
            self.stopped.store(true, Ordering::Relaxed);
            outcome
        };
        let (models, outcome) = tokio::join!(clients, meanwhile);
        outcome?;
        let mut model = Model::default();
        models?.into_iter().for_each(|of_client| model.extend(of_client));
        Ok(model)
    }
}

/// How many times the service has said what may be lost.
async fn reports(system: &System) -> Result<i64> {
    let mysql = MySqlPool::connect(&system.stack.mysql_url()).await?;
    Ok(sqlx::query_scalar("SELECT COUNT(*) FROM rebuild").fetch_one(&mysql).await?)
}

/// A server acknowledges a change before a replica has it, so a change may be lost. The service must say so.
async fn nothing_is_lost_unseen(system: &System, load: Load, model: &Model, reported_before: i64) -> Result<()> {
    let differences = system.differences(model, load.articles).await?;
    println!("{} states compared, {} differences", model.states().count(), differences.len());
    let reported = reports(system).await? > reported_before;
    ensure!(differences.is_empty() || reported, "{differences:#?}");
    // What was changed and lost is one change of each client at most: each waits for its answer.
    ensure!(differences.len() <= 3 * usize::try_from(CLIENTS)?, "{differences:#?}");
    Ok(())
}

#[test]
fn a_master_that_is_killed_under_load_is_replaced_and_nothing_is_lost_unseen() -> Result<()> {
    alone(async |system, api| {
        let before = reports(system).await?;
        let load = Load::on(1..=50);
        let model = load
            .run(&api, async || {
                load.more(300).await?;
                let master = system.master().await?;
                master.kill().await?;
                system.taken_over(master).await?;
                load.more(300).await
            })
            .await?;
        nothing_is_lost_unseen(system, load, &model, before).await
    })
}

/// The old master wakes up and does not know that it was replaced. What clients sent it is too late by then.
#[test]
fn a_master_that_was_silent_while_it_was_replaced_changes_nothing_afterwards() -> Result<()> {
    alone(async |system, api| {
        let before = reports(system).await?;
        let load = Load::on(101..=150);
        let model = load
            .run(&api, async || {
                load.more(300).await?;
                let master = system.master().await?;
                master.pause()?;
                system.taken_over(master).await?;
                load.more(100).await?;
                master.resume()?;
                load.more(300).await
            })
            .await?;
        nothing_is_lost_unseen(system, load, &model, before).await
    })
}
