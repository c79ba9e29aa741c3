//! Redis.

use crate::clock::Clock;
use crate::{Service, paths, ports};
use anyhow::{Context, Result};
use futures::FutureExt;
use std::ops::Deref;
use std::path::Path;

/// A Redis that has what it acknowledged on disk, as in production.
pub struct Redis {
    service: Service,
    port: u16,
    clock: Option<Clock>,
}

impl Redis {
    /// A Redis with its data and log below `folder`, not started yet.
    pub fn new(folder: &Path) -> Result<Self> {
        let (data, port) = (folder.join("redis"), ports::free()?);
        std::fs::create_dir_all(&data)?;
        let service = Self::service(paths::program(&["redis-server"])?.as_os_str(), folder, port)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"])
            // No snapshots: the append-only file alone holds the data, synced before each answer.
            .args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"])
            .args(["--enable-debug-command", "local", "--dir"])
            .args([&data]);
        Ok(Self { service, port, clock: None })
    }

    /// The same, started and answering.
    pub async fn start_in(folder: &Path) -> Result<Self> {
        let redis = Self::new(folder)?;
        redis.start().await?;
        Ok(redis)
    }

    /// One that Docker Compose runs.
    pub(crate) fn in_compose(folder: &Path) -> Result<Self> {
        let port = ports::free()?;
        let service = Self::service("docker".as_ref(), folder, port)
            .args(crate::compose::up("redis", port))
            .envs([("REDIS_PORT", port.to_string())])
            .ends_its_children();
        Ok(Self { service, port, clock: None })
    }

    /// The same with a clock that `set_clock` sets.
    pub(crate) fn with_clock(mut self, folder: &Path) -> Result<Self> {
        let clock = Clock::new(folder)?;
        self.service = self.service.envs(clock.environment());
        self.clock = Some(clock);
        Ok(self)
    }

    /// Sets the server's time of day that many seconds off the machine's, at once.
    pub fn set_clock(&self, offset: i64) -> Result<()> {
        self.clock.as_ref().context("this Redis has the machine's clock")?.set(offset)
    }

    fn service(program: &std::ffi::OsStr, folder: &Path, port: u16) -> Service {
        Service::new("redis", program, folder.join("redis.log"), move || ping(port).boxed())
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:<port>`
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Deref for Redis {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// Fails while it loads its data, too.
async fn ping(port: u16) -> Result<()> {
    let client = redis::Client::open(("127.0.0.1", port))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    Ok(redis::cmd("PING").exec_async(&mut connection).await?)
}
