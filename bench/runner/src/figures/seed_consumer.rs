//! The Go design's consumer.

use std::{ops::Range, path::PathBuf};

use anyhow::{Context, Result};
use stack::{Service, dev};

use super::pace::pace;
use crate::{
    kafka::{self, Pairs},
    mysql,
    world::{SEED_TOPIC, World, seed_program},
};

pub(super) struct SeedConsumer {
    program: PathBuf,
}

impl SeedConsumer {
    /// Its topic and its table.
    pub(super) async fn prepare(world: &World) -> Result<Self> {
        let program = seed_program()?;
        kafka::create_topic(&world.stack.kafka_brokers(), SEED_TOPIC).await?;
        // As the Go design has it: no version, no time.
        sqlx::query(
            "CREATE TABLE seed_like (user_id BIGINT, article_id BIGINT, status TINYINT, PRIMARY KEY (user_id, article_id))",
        )
        .execute(&world.mysql)
        .await
        .context("the Go design's table")?;
        Ok(Self { program })
    }

    /// More likes in its topic.
    pub(super) async fn fill(&self, world: &World, numbers: Range<u64>, pairs: Pairs) -> Result<()> {
        let brokers = world.stack.kafka_brokers();
        tokio::task::spawn_blocking(move || kafka::publish_seed(&brokers, SEED_TOPIC, numbers, pairs)).await?
    }

    /// Has it apply what a group has not read of the topic: so many events.
    pub(super) async fn apply(&self, world: &World, group: &str, events: u64) -> Result<f64> {
        let password = dev("PERSISTER_PASSWORD");
        let log = world.stack.data().join(format!("{group}.log"));
        let ready = || futures::FutureExt::boxed(async { anyhow::Ok(()) });
        let consumer = Service::new("seed", &self.program, log, ready).args(["consume"]).envs([
            ("SEED_KAFKA_BROKERS", world.stack.kafka_brokers()),
            ("SEED_TOPIC", SEED_TOPIC.to_owned()),
            ("SEED_GROUP", group.to_owned()),
            (
                "SEED_MYSQL_DSN",
                format!("persister:{password}@tcp(127.0.0.1:{})/interaction", world.stack.mariadb.port()),
            ),
        ]);
        // A statement an event.
        let inserts = async || mysql::status(&world.mysql, "Com_insert").await;
        let before = inserts().await?;
        consumer.start().await?;
        let rate = pace(events, async || Ok(inserts().await? - before));
        let rate = rate.await.with_context(|| consumer.log_tail(10))?;
        consumer.kill().await?;
        Ok(rate)
    }
}
