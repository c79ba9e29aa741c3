use std::fs;

use anyhow::{Context, Result, ensure};
use contract::{Kind, Truth};
use sqlx::MySqlPool;
use stack::wait_for;
use tests::{Api, Model};

use super::{ARTICLES, PATIENCE, add, start};

/// Each of librdkafka's clients has one of these threads.
const CLIENT: &str = "rdk:main";

/// How many clients of Kafka a process has.
fn clients(process: u32) -> Result<usize> {
    let threads = fs::read_dir(format!("/proc/{process}/task"))?;
    let names = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    Ok(names.filter(|name| name.trim() == CLIENT).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_of_three_masters_has_one_producer_and_one_heartbeat() -> Result<()> {
    let (stack, _turn) = start().await?;
    let api = Api::new(stack.http_url());
    stack.persister.terminate().await?;
    let relay = stack.persister.another("relay", "relay")?;
    relay.start().await?;
    let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
    let rows = async || -> Result<(i64, i64)> {
        let rows = "SELECT COUNT(*), COUNT(DISTINCT seen_at) FROM relay_session WHERE run_id <> ''";
        Ok(sqlx::query_as(rows).fetch_one(&mysql).await?)
    };
    // All are written by one statement, so at one moment. Each has been written alone as well, when it began.
    wait_for("one heartbeat of three masters", PATIENCE, async || Ok((rows().await? == (3, 1)).then_some(()))).await?;
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        ensure!(rows().await? == (3, 1), "another heartbeat");
    }
    let process = relay.pid().context("the relay runs")?;
    // The producer, and one that asks what there is.
    wait_for("two clients of Kafka", PATIENCE, async || Ok((clients(process)? == 2).then_some(()))).await?;

    // It relays all three by that one.
    let mut model = Model::default();
    let kind = Kind::of(Truth::Redis).next().context("a kind of Redis")?;
    for article in 1..=ARTICLES {
        add(&api, &mut model, kind, (7, article)).await?;
    }
    stack.persister.start().await?;
    wait_for("the rows", PATIENCE, async || {
        Ok((tests::interactions(&mysql).await?[&kind].len() == model.standing(kind).len()).then_some(()))
    })
    .await?;
    relay.terminate().await?;
    let left = "SELECT COUNT(*) FROM relay_session WHERE relay_id LIKE CONCAT('relay-', ?, '-%')";
    let left: i64 = sqlx::query_scalar(left).bind(process).fetch_one(&mysql).await?;
    ensure!(left == 0, "a relay that has ended left {left} rows");
    stack.stop().await
}
