//! The three stores, opened the same way by every job.

pub(crate) mod kafka;
pub(crate) mod log;
pub(crate) mod mysql;
pub(crate) mod redis;

use anyhow::{Context as _, ensure};
use sqlx::MySqlPool;

use self::{kafka::Kafka, redis::Redis};
use crate::config::Config;

/// Where the stores are. Nothing is connected yet: each job connects when it needs to, and again after a failure.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) redis: Redis,
    pub(crate) mysql: MySqlPool,
    pub(crate) kafka: Kafka,
}

impl Stores {
    /// Errors name the variable that is missing or wrong, and never show its value.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        for (variable, value) in [
            ("INTERACTION_REDIS_URL", &config.redis_url),
            ("INTERACTION_MYSQL_URL", &config.mysql_url),
            ("INTERACTION_KAFKA_BROKERS", &config.kafka_brokers),
        ] {
            ensure!(!value.is_empty(), "{variable} is not set; see `persister --help` for its form");
        }
        Ok(Self {
            redis: Redis::new(&config.redis_url)
                .context("INTERACTION_REDIS_URL is not of the form redis://host:port")?,
            mysql: mysql::pool(&config.mysql_url)
                .context("INTERACTION_MYSQL_URL is not of the form mysql://user:password@host:port/database")?,
            kafka: Kafka::new(config),
        })
    }
}
