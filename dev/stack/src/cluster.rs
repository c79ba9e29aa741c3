//! A Redis Cluster.

use crate::redis::patient;
use crate::{Redis, wait_for};
use anyhow::{Context, Result, ensure};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

/// Which masters a cluster has.
#[derive(Clone)]
pub(crate) struct Masters {
    /// The last slot of each, in order; the next begins after it.
    pub(crate) last_slots: Vec<u16>,
    /// Whether each has a replica.
    pub(crate) replicated: bool,
}

impl Masters {
    /// Three, with as many slots each, and a replica each.
    pub(crate) fn three() -> Self {
        Self { last_slots: vec![5_460, 10_922, 16_383], replicated: true }
    }
}

/// The servers of a cluster: first its masters, as they are until a failover, then the replica of each in the same order.
pub struct Cluster {
    nodes: Vec<Arc<Redis>>,
    last_slots: Vec<u16>,
}

impl Cluster {
    /// Its data and logs are below `folder`; not started yet.
    pub(crate) fn new(folder: &Path, Masters { last_slots, replicated }: Masters) -> Result<Self> {
        let node = |at: usize| Redis::of_cluster(&folder.join(format!("redis-{at}")), replicated).map(Arc::new);
        let count = last_slots.len() * if replicated { 2 } else { 1 };
        Ok(Self { nodes: (0..count).map(node).collect::<Result<_>>()?, last_slots })
    }

    /// Its servers.
    #[must_use]
    pub fn nodes(&self) -> &[Arc<Redis>] {
        &self.nodes
    }

    /// The server that has these slots now.
    pub async fn master_of(&self, slot: u16) -> Result<&Redis> {
        let mut last = None;
        for node in &self.nodes {
            if !node.is_running() {
                continue;
            }
            let nodes = match ask(node, &["CLUSTER", "NODES"]).await {
                Ok(nodes) => nodes,
                Err(error) => {
                    last = Some(error);
                    continue;
                }
            };
            let myself = nodes.lines().find(|line| line.contains("myself,master")).unwrap_or_default();
            if myself.split_ascii_whitespace().skip(8).filter_map(range).any(|range| range.contains(&slot)) {
                return Ok(node);
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("nobody has slot {slot}")))
    }

    /// A replica of that server.
    pub async fn replica_of(&self, master: &Redis) -> Result<&Redis> {
        let id = ask(master, &["CLUSTER", "MYID"]).await?;
        for node in &self.nodes {
            if node.is_running() {
                let nodes = ask(node, &["CLUSTER", "NODES"]).await?;
                let myself = nodes.lines().find(|line| line.contains("myself,slave")).unwrap_or_default();
                if myself.split_ascii_whitespace().nth(3) == Some(id.as_str()) {
                    return Ok(node);
                }
            }
        }
        anyhow::bail!("the master on port {} has no replica", master.port())
    }

    /// Starts all servers and makes them one cluster; nothing but the start happens if they are one.
    pub(crate) async fn start(&self) -> Result<()> {
        for node in &self.nodes {
            node.start().await?;
        }
        let first = self.nodes.first().context("a cluster has servers")?;
        if ask(first, &["CLUSTER", "INFO"]).await?.contains("cluster_known_nodes:1\r") {
            self.join(first).await?;
        }
        wait_for("the cluster", PATIENCE, async || {
            for node in &self.nodes {
                let replicated = ask(node, &["INFO", "replication"]).await?;
                let linked = replicated.contains("role:master") || replicated.contains("master_link_status:up");
                if !linked || !ask(node, &["CLUSTER", "INFO"]).await?.contains("cluster_state:ok") {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    async fn join(&self, first: &Redis) -> Result<()> {
        for node in &self.nodes {
            let (port, bus) = (node.port().to_string(), node.cluster_port().to_string());
            ask(first, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await?;
        }
        let mut from = 0;
        for (node, last) in self.nodes.iter().zip(&self.last_slots) {
            ask(node, &["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &last.to_string()]).await?;
            from = last + 1;
        }
        for (master, replica) in self.nodes.iter().zip(&self.nodes[self.last_slots.len()..]) {
            let id = ask(master, &["CLUSTER", "MYID"]).await?;
            // Until the two have heard of each other.
            wait_for("a replica", PATIENCE, async || {
                Ok(ask(replica, &["CLUSTER", "REPLICATE", &id]).await.is_ok().then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Makes a server's replica take over from it, with all that it has.
    pub async fn fail_over(&self, master: &Redis) -> Result<()> {
        let replica = self.replica_of(master).await?;
        ask(replica, &["CLUSTER", "FAILOVER"]).await?;
        wait_for("the failover", PATIENCE, async || {
            Ok(ask(replica, &["INFO", "replication"]).await?.contains("role:master").then_some(()))
        })
        .await
    }
}

/// Sends a command; its answer, which is one text.
pub async fn ask(node: &Redis, command: &[&str]) -> Result<String> {
    let (name, arguments) = command.split_first().context("a command has a name")?;
    ensure!(node.is_running(), "the server on port {} does not run", node.port());
    let mut connection = node.client().get_multiplexed_async_connection_with_config(&patient()).await?;
    let mut command = redis::cmd(name);
    command.arg(arguments);
    command.query_async(&mut connection).await.with_context(|| format!("{name} {arguments:?}"))
}

fn range(word: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(first.parse().ok()?..=last.parse().ok()?)
}
