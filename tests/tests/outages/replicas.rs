//! A replica takes over from a master that is gone.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use contract::{Kind, Partition, keys};
use futures::future::try_join_all;
use redis::AsyncCommands;
use stack::{Proxy, Redis, wait_for};
use tests::{Model, id, partition_of, redis};

use crate::{
    PATIENCE, System, alone,
    lost::{assert_expired, epoch, fill, switch_one_off, until_served},
    until_switched,
};

/// A replica of the system's Redis that has all it has now, and its way to the master.
async fn replica(system: &System, name: &str) -> Result<(Redis, Proxy)> {
    let folder = system.stack.data().join(name);
    std::fs::create_dir_all(&folder)?;
    let replica = Redis::start_in(&folder).await?;
    let way = Proxy::to(system.stack.redis.port())?;
    let mut connection = redis(&replica.url()).await?;
    let () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(way.port()).query_async(&mut connection).await?;
    wait_for("the replica to have it all", PATIENCE, async || {
        let info: String = redis::cmd("INFO").arg("replication").query_async(&mut connection).await?;
        Ok((info.contains("master_link_status:up") && info.contains("master_sync_in_progress:0")).then_some(()))
    })
    .await?;
    // Its first replica gives a master another replication id, and so another name; a moment later it serves under it.
    let mut master = redis(&system.stack.redis_url()).await?;
    let info: String = redis::cmd("INFO").arg("replication").query_async(&mut master).await?;
    let history = info.lines().find_map(|line| line.strip_prefix("master_replid:")).context("INFO names it")?;
    wait_for("the master to serve under its new name", PATIENCE, async || {
        for partition in Partition::all() {
            let marker: Option<String> = master.hget(keys::warm(partition), "run_id").await?;
            if !marker.is_some_and(|name| name.ends_with(history.trim())) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    Ok((replica, way))
}

/// The master is gone, and its address is the replica's.
async fn promote(system: &System, replica: &Redis) -> Result<()> {
    system.stack.redis.kill().await?;
    let mut connection = redis(&replica.url()).await?;
    let () = redis::cmd("REPLICAOF").arg("NO").arg("ONE").query_async(&mut connection).await?;
    system.stack.network().redis.lead_to(replica.port());
    Ok(())
}

/// The old master has the address again, with data from before, once nothing is on its way from the replica any more.
async fn fail_back(system: &System, replica: &Redis, model: &Model) -> Result<()> {
    system.arrived(model).await?;
    replica.kill().await?;
    system.stack.network().redis.lead_to(system.stack.redis.port());
    system.stack.redis.start().await?;
    system.warm().await.map(drop)
}

#[test]
fn a_promoted_replica_that_lagged_is_fenced_and_rebuilt() -> Result<()> {
    alone(async |system, api| {
        let (replica, way) = replica(system, "lagging").await?;
        // From here on it hears nothing: what follows is acknowledged without it.
        way.hold();
        let (mut model, token) = fill(system, &api, 3400).await?;
        let before = epoch(system, 3400).await?.context("it is warm")?;
        let mut connection = redis(&replica.url()).await?;
        for kind in Kind::ALL.iter().copied() {
            let count: Option<i64> = connection.get(keys::count(kind, id(3400))).await?;
            assert_eq!(count, None, "it is meant to lag");
        }

        promote(system, &replica).await?;
        until_served(&api, 3400).await?;
        let epoch: Option<u64> = connection.hget(keys::warm(partition_of(3400)), "epoch").await?;
        assert!(epoch > Some(before), "it was rebuilt");
        assert_expired(&api, 3400, &token).await?;

        switch_one_off(&api, &mut model, 3400).await?;
        fail_back(system, &replica, &model).await?;
        system.holds(&model, 3400..=3400).await
    })
}

#[test]
fn a_promoted_replica_that_had_all_is_warm_in_the_same_epoch() -> Result<()> {
    alone(async |system, api| {
        let (mut model, _) = fill(system, &api, 3500).await?;
        let before = epoch(system, 3500).await?;
        let (replica, _way) = replica(system, "whole").await?;
        promote(system, &replica).await?;
        until_served(&api, 3500).await?;
        let mut connection = redis(&replica.url()).await?;
        let epoch: Option<u64> = connection.hget(keys::warm(partition_of(3500)), "epoch").await?;
        assert_eq!(epoch, before, "nothing was lost, so nothing was rebuilt");

        switch_one_off(&api, &mut model, 3500).await?;
        fail_back(system, &replica, &model).await?;
        system.holds(&model, 3500..=3500).await
    })
}

#[test]
fn a_server_that_only_gets_another_name_is_not_rebuilt_whatever_is_switched_meanwhile() -> Result<()> {
    alone(async |system, api| {
        // One that never had a replica: its first gives it another name.
        system.stack.redis.restart().await?;
        system.warm().await?;
        let mysql = sqlx::MySqlPool::connect(&system.stack.mysql_url()).await?;
        let rebuilds =
            async || -> Result<i64> { Ok(sqlx::query_scalar("SELECT COUNT(*) FROM rebuild").fetch_one(&mysql).await?) };
        let before = rebuilds().await?;
        let done = AtomicBool::new(false);
        // Articles of many partitions; a change that is refused is tried again.
        let client = async |(user, kind): (i64, Kind)| -> Result<Model> {
            let mut model = Model::default();
            for turn in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let (pair, on) = ((user, 3600 + turn % 100), turn / 100 % 2 == 0);
                until_switched(&api, kind, pair, on).await?;
                model.switch(kind, pair, on);
            }
            Ok(model)
        };
        let renamed = async {
            let renamed = replica(system, "renaming").await;
            done.store(true, Ordering::Relaxed);
            renamed
        };
        let clients = (1..=9).zip(Kind::ALL.iter().copied().cycle());
        let (models, renamed) = tokio::join!(try_join_all(clients.map(client)), renamed);
        let (replica, _way) = renamed?;
        let mut model = Model::default();
        models?.into_iter().for_each(|of_client| model.extend(of_client));
        assert_eq!(rebuilds().await?, before);
        system.holds(&model, 3600..=3699).await?;
        replica.kill().await
    })
}
