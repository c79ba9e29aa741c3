//! The system, and what its sentinels do.

use std::{sync::LazyLock, time::Duration};

use anyhow::{Context, Result};
use contract::{Partition, keys};
use redis::AsyncCommands;
use stack::{Options, Redis, Sentinel, Stack, ask, wait_for};
use tests::{Api, GROUP, Model, Topic, compare, drained};
use tokio::{runtime::Runtime, sync::Mutex};

use crate::PATIENCE;

static SYSTEM: LazyLock<(Runtime, Mutex<System>)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let system = runtime.block_on(System::start()).expect("the system starts");
    println!("on {}", system.stack.app.kind());
    (runtime, Mutex::new(system))
});

/// Runs a test alone on the shared system, which is whole before and after.
pub(crate) fn alone(test: impl AsyncFnOnce(&System, Api) -> Result<()>) -> Result<()> {
    let (runtime, system) = &*SYSTEM;
    runtime.block_on(async {
        let system = system.lock().await;
        tokio::select! {
            outcome = async {
                system.whole().await.context("before the test")?;
                test(&system, Api::new(system.stack.http_url())).await?;
                system.whole().await.context("after the test")
            } => outcome,
            () = system.follow() => unreachable!("it follows for as long as the test takes"),
        }
    })
}

pub(crate) struct System {
    pub(crate) stack: Stack,
    replicas: [Redis; 2],
    sentinels: Vec<Sentinel>,
}

impl System {
    async fn start() -> Result<Self> {
        let stack = Stack::start(Options::default().wide_limits().breakable().quiet()).await?;
        let folder = |name: &str| stack.data().join(name);
        for name in ["replica-1", "replica-2"] {
            std::fs::create_dir_all(folder(name))?;
        }
        let replicas = [Redis::start_in(&folder("replica-1")).await?, Redis::start_in(&folder("replica-2")).await?];
        for replica in &replicas {
            ask(replica, &["REPLICAOF", "127.0.0.1", &stack.redis.port().to_string()]).await?;
        }
        let mut sentinels = Vec::new();
        for number in 1..=3 {
            sentinels.push(Sentinel::start_in(&folder(&format!("sentinel-{number}")), &stack.redis, 2).await?);
        }
        Ok(Self { stack, replicas, sentinels })
    }

    pub(crate) fn servers(&self) -> [&Redis; 3] {
        [&self.stack.redis, &self.replicas[0], &self.replicas[1]]
    }

    /// The server that the sentinels call the master.
    pub(crate) async fn master(&self) -> Result<&Redis> {
        let port = self.sentinels[0].master().await?;
        self.servers().into_iter().find(|server| server.port() == port).context("one of the three")
    }

    /// Waits until another server than `old` is the master.
    pub(crate) async fn taken_over(&self, old: &Redis) -> Result<()> {
        wait_for("another master", PATIENCE, async || {
            Ok((self.sentinels[0].master().await? != old.port()).then_some(()))
        })
        .await
    }

    /// The proxy that leads clients to the master: new connections go to the server that a sentinel names.
    async fn follow(&self) {
        loop {
            if let Ok(master) = self.sentinels[0].master().await {
                self.stack.network().redis.lead_to(master);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until all three servers run, two of them follow the third, all sentinels know all of it, and the master serves
    /// every partition.
    async fn whole(&self) -> Result<()> {
        for server in self.servers() {
            if server.is_running() {
                server.resume()?;
            }
            server.start().await?;
            // A replica has them, too, because it may be promoted.
            ask(server, &["CONFIG", "SET", "min-replicas-to-write", "1", "min-replicas-max-lag", "2"]).await?;
        }
        wait_for("two replicas in step", PATIENCE, async || {
            let master = self.master().await?;
            let info = ask(master, &["INFO", "replication"]).await?;
            let in_step = info.lines().filter(|line| line.starts_with("slave") && line.contains("state=online"));
            Ok((info.contains("role:master") && in_step.count() == 2).then_some(()))
        })
        .await?;
        for sentinel in &self.sentinels {
            wait_for("the sentinels to know each other", PATIENCE, async || {
                let mut connection = sentinel.client().get_multiplexed_async_connection().await?;
                let quorum: redis::RedisResult<String> =
                    redis::cmd("SENTINEL").arg("CKQUORUM").arg("interaction").query_async(&mut connection).await;
                Ok(quorum.is_ok_and(|said| said.contains("3 usable")).then_some(()))
            })
            .await?;
        }
        self.warm().await
    }

    /// Waits until the markers of all partitions name the master.
    async fn warm(&self) -> Result<()> {
        wait_for("the master to serve", PATIENCE, async || {
            let master = self.master().await?;
            let Ok(info) = ask(master, &["INFO", "replication"]).await else { return Ok(None) };
            let name = info.lines().find_map(|line| line.strip_prefix("master_replid:")).context("INFO names it")?;
            let mut connection = tests::redis(&master.url()).await?;
            for partition in Partition::all() {
                let marker: Option<String> = connection.hget(keys::warm(partition), "run_id").await?;
                if !marker.is_some_and(|marker| marker.ends_with(name.trim())) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Once all are whole again and nothing is on its way, returns what the stores and the log lack or have too much.
    pub(crate) async fn differences(
        &self,
        model: &Model,
        articles: std::ops::RangeInclusive<i64>,
    ) -> Result<Vec<String>> {
        self.whole().await?;
        let topic = Topic::open(&self.stack.kafka_brokers(), GROUP)?;
        drained(&self.stack, &topic, PATIENCE).await?;
        // The first server may be a replica now, which shows the same a moment later.
        let mut last = Vec::new();
        let equal = wait_for("equal stores", Duration::from_secs(10), async || {
            last = compare(&self.stack, model, articles.clone()).await?;
            Ok(last.is_empty().then_some(()))
        });
        let outcome = equal.await;
        Ok(if outcome.is_ok() { Vec::new() } else { last.iter().map(|wrong| format!("{wrong:?}")).collect() })
    }
}
