//! Faults at random moments under load, while operators revoke, erase, import and reconcile. Nothing that was acknowledged is
//! lost, and nothing counts twice.
//!
//! `make chaos ROUNDS=n SEED=s`, or `CHAOS_ROUNDS=n CHAOS_SEED=s` in the environment. A seed always gives the same
//! faults at the same moments, and the same requests to each client. How they coincide depends on the machine.

mod client;
mod operators;
mod plants;
mod schedule;
mod system;
mod verdict;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tests::{Api, number};
use tokio::task::JoinSet;

use crate::{
    client::{Client, Learned},
    operators::Work,
    schedule::{How, schedule},
    system::System,
    verdict::{Verdict, judge},
};

const CLIENTS: i64 = 12;
/// The number of rounds that every change is tested with. Run many more by hand to test the promise.
const ROUNDS: u64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_or_doubled_whatever_breaks() -> Result<()> {
    let rounds = number("CHAOS_ROUNDS")?.unwrap_or(ROUNDS);
    let seed = number("CHAOS_SEED")?.unwrap_or_else(rand::random);
    println!("seed {seed}: make chaos ROUNDS={rounds} SEED={seed} repeats it");

    tests::site::use_names();
    let system = System::start().await?;
    let mut learned = Learned::default();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|number| Client::new(number, seed)).collect();
    let mut total = Verdict::default();
    let mut faults: BTreeMap<How, u64> = BTreeMap::new();
    for round in 1..=rounds {
        let plan = schedule(seed, round);
        for fault in &plan {
            println!("  round {round}: {fault}");
            *faults.entry(fault.how).or_default() += 1;
        }
        let mut work = Work::prepare(&system.stack, &mut learned, seed, round).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut load = JoinSet::new();
        for client in clients.drain(..) {
            load.spawn(client.run(Api::new(system.stack.http_url()), Arc::clone(&stop)));
        }
        let broke = tokio::select! {
            broke = system.suffer(plan) => broke,
            failed = work.disturb(&system.stack) => failed,
        };
        stop.store(true, Ordering::Relaxed);
        while let Some(client) = load.join_next().await {
            let mut client = client?;
            learned.extend(client.take_learned());
            clients.push(client);
        }
        broke.with_context(|| format!("round {round}"))?;

        let began = Instant::now();
        system.recovered().await.with_context(|| format!("after round {round}, seed {seed}"))?;
        let drained = began.elapsed();
        work.finish(&system.stack, &mut learned).await.with_context(|| format!("after round {round}, seed {seed}"))?;
        system.recovered().await?;
        learned.read_back(&Api::new(system.stack.http_url())).await?;
        for client in &mut clients {
            client.learn(&learned);
        }
        let verdict = judge(&system, &learned).await?;
        println!("round {round}: {verdict}, drained in {drained:.1?}");
        total.add(verdict, drained);
    }
    print_table(seed, rounds, &faults, &total);
    assert!(total.is_clean(), "seed {seed}: {:#?} {:#?}", total.wrong, total.strange);
    println!("all {} losses and doubles planted now are found", plants::are_all_found(&system, learned).await?);
    system.stop().await
}

fn print_table(seed: u64, rounds: u64, faults: &BTreeMap<How, u64>, total: &Verdict) {
    let faults: Vec<String> = faults.iter().map(|(how, count)| format!("{how} {count}")).collect();
    println!("| seed | rounds | faults | acknowledged | unanswered | lost | double | max time to drain |");
    println!("|---|---|---|---|---|---|---|---|");
    println!(
        "| {seed} | {rounds} | {} | {} | {} | {} | {} | {:.1} s |",
        faults.join(", "),
        total.acknowledged,
        total.unanswered,
        total.lost(),
        total.double(),
        total.drain.as_secs_f64()
    );
    println!("slowest answer under faults: {:.1} s", total.slowest.max(Duration::ZERO).as_secs_f64());
}
