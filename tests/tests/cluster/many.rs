//! More masters than a process has connections to MySQL; as many as there are partitions, if `INTERACTION_MASTERS=128`.

use std::time::Instant;

use anyhow::Result;
use contract::{Kind, Partition, slot};
use futures::future::try_join_all;
use stack::{Options, Redis, Stack};
use tests::{Api, GROUP, Model, Topic};

use super::{TURNS, add, settled};

const ARTICLES: i64 = super::ARTICLES;

/// Each master has as many partitions as the others, or one less.
fn last_slots() -> Result<Vec<u16>> {
    let masters: usize = std::env::var("INTERACTION_MASTERS").as_deref().unwrap_or("32").parse()?;
    let mut slots: Vec<u16> = Partition::all().map(slot).collect();
    slots.sort_unstable();
    let mut last: Vec<u16> = (1..masters).map(|at| slots[at * slots.len() / masters - 1]).collect();
    last.push(16_383);
    Ok(last)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_masters_of_a_large_cluster_are_warm_again_when_all_were_cold_at_once() -> Result<()> {
    let _turn = TURNS.acquire().await?;
    let stack = Stack::start(Options::default().masters(last_slots()?).quiet().wide_limits()).await?;
    let masters = stack.cluster().nodes();
    let (api, topic) = (Api::new(stack.http_url()), Topic::open(&stack.kafka_brokers(), GROUP)?);
    let mut model = Model::default();
    for article in 1..=ARTICLES {
        for (user, kind) in (1..).zip(Kind::ALL.iter().copied()) {
            add(&api, &mut model, kind, (user, article)).await?;
        }
    }
    settled(&stack, &topic, &model).await?;

    try_join_all(masters.iter().map(|master| master.kill())).await?;
    try_join_all(masters.iter().map(|master| master.start())).await?;
    let began = Instant::now();
    stack.wait_answers(true).await?;
    println!("{} masters that had lost nothing were warm {:.1?} after all had started", masters.len(), began.elapsed());
    settled(&stack, &topic, &model).await?;

    let flush = async |master: &Redis| {
        let mut connection = master.client().get_multiplexed_async_connection().await?;
        redis::cmd("FLUSHALL").exec_async(&mut connection).await
    };
    try_join_all(masters.iter().map(|master| flush(master))).await?;
    let began = Instant::now();
    stack.wait_answers(true).await?;
    println!("{} masters that had lost all were rebuilt within {:.1?}", masters.len(), began.elapsed());
    settled(&stack, &topic, &model).await?;
    stack.stop().await
}
