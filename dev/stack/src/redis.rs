//! Redis.

use crate::{Service, paths, ports};
use anyhow::Result;
use futures::FutureExt;
use std::ops::Deref;
use std::path::Path;

/// A Redis that has what it acknowledged on disk, as in production.
pub struct Redis {
    service: Service,
    port: u16,
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
        Ok(Self { service, port })
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
        Ok(Self { service, port })
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
