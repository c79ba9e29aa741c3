//! Redis Sentinel.

use crate::redis::program;
use crate::{Redis, Service, ports};
use anyhow::{Context, Result};
use futures::FutureExt;
use redis::aio::MultiplexedConnection;
use std::fs;
use std::ops::Deref;
use std::path::Path;

/// What the sentinels call their master.
const NAME: &str = "interaction";

/// One of the servers that watch a master and its replicas, and promote a replica if most of them miss the master.
pub struct Sentinel {
    service: Service,
    client: redis::Client,
}

impl Sentinel {
    /// A sentinel, started and answering. `quorum` of them must miss the master.
    pub async fn start_in(folder: &Path, master: &Redis, quorum: usize) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let (port, settings) = (ports::free()?, folder.join("sentinel.conf"));
        // A sentinel keeps in this file what it has learned.
        fs::write(
            &settings,
            format!(
                "port {port}
bind 127.0.0.1
dir {}
sentinel monitor {NAME} 127.0.0.1 {} {quorum}
sentinel down-after-milliseconds {NAME} 1000
sentinel failover-timeout {NAME} 5000
",
                folder.display(),
                master.port()
            ),
        )?;
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
        let asked = client.clone();
        let service = Service::new("sentinel", program()?, folder.join("sentinel.log"), move || {
            let asked = asked.clone();
            async move { master_of(&mut asked.get_multiplexed_async_connection().await?).await.map(drop) }.boxed()
        });
        let sentinel = Self { service: service.args([&settings]).args(["--sentinel"]), client };
        sentinel.start().await?;
        Ok(sentinel)
    }

    /// A client of the sentinel.
    #[must_use]
    pub fn client(&self) -> redis::Client {
        self.client.clone()
    }

    /// The port of the server that is the master now.
    pub async fn master(&self) -> Result<u16> {
        master_of(&mut self.client.get_multiplexed_async_connection().await?).await
    }
}

async fn master_of(sentinel: &mut MultiplexedConnection) -> Result<u16> {
    let ask = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(NAME).to_owned();
    let (_, port): (String, String) = ask.query_async(sentinel).await?;
    port.parse().context("a port")
}

impl Deref for Sentinel {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}
