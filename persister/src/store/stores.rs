//! The three stores, opened the same way by every job.

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use sqlx::MySqlPool;

use super::{kafka::Kafka, mysql, redis::Redis, secret::secret};
use crate::config::{Config, RedisDurability};

/// The addresses of the stores. Nothing is connected yet: each job connects when it needs to, and again after a
/// failure.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) redis: Redis,
    pub(crate) redis_durability: RedisDurability,
    pub(crate) mysql: MySqlPool,
    pub(crate) kafka: Kafka,
}

impl Stores {
    /// Errors name the variable that is missing or wrong, and never show its value.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            redis: Redis::new(secret("INTERACTION_REDIS_URL")?.expose_secret())
                .context("INTERACTION_REDIS_URL is not of the form redis[s]://[user:password@]host:port[/db]")?,
            redis_durability: config.redis_durability,
            mysql: mysql::pool(secret("INTERACTION_MYSQL_URL")?.expose_secret())
                .context("INTERACTION_MYSQL_URL is not of the form mysql://user:password@host:port/database")?,
            kafka: Kafka::new(config)?,
        })
    }
}
