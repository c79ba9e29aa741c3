//! `runtime-config.toml`: how many connections to stores components may hold at once.
//!
//! Format: <https://spinframework.dev/v3/dynamic-configuration>. Spin's other settings are an error here.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuntimeConfig {
    #[serde(default)]
    outbound_redis: Limit,
    #[serde(default)]
    outbound_mysql: Limit,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    max_connections: Option<usize>,
}

/// The permits for connections, shared by all components.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    redis: Option<Arc<Semaphore>>,
    mysql: Option<Arc<Semaphore>>,
}

impl Limits {
    /// Reads the file at `path`. Without a file nothing is limited.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} cannot be honoured", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let config: RuntimeConfig = toml::from_str(text)?;
        let permits = |limit: &Limit| limit.max_connections.map(|count| Arc::new(Semaphore::new(count)));
        Ok(Self { redis: permits(&config.outbound_redis), mysql: permits(&config.outbound_mysql) })
    }

    /// Waits until one more Redis connection may be opened. As in Spin, the wait has no limit.
    pub(crate) async fn redis(&self) -> Option<Arc<OwnedSemaphorePermit>> {
        permit(self.redis.as_ref()).await
    }

    /// Waits until one more `MySQL` connection may be opened. As in Spin, the wait has no limit.
    pub(crate) async fn mysql(&self) -> Option<Arc<OwnedSemaphorePermit>> {
        permit(self.mysql.as_ref()).await
    }
}

async fn permit(permits: Option<&Arc<Semaphore>>) -> Option<Arc<OwnedSemaphorePermit>> {
    // `acquire_owned` fails only when the semaphore is closed, and these never are.
    permits?.clone().acquire_owned().await.ok().map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_anything_else_refused() {
        let limits = Limits::parse("[outbound_redis]\nmax_connections = 7\n[outbound_mysql]").unwrap();
        assert_eq!(limits.redis.unwrap().available_permits(), 7);
        assert!(limits.mysql.is_none());
        assert!(Limits::parse("[key_value_store.default]\ntype = \"redis\"").is_err());
    }
}
