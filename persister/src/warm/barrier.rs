//! Waiting until what Redis had given away has arrived in MySQL.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use contract::Partition;
use sqlx::{FromRow, query, query_as, query_scalar};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::markers;
use crate::{
    backoff::pause,
    output::counted,
    relay::session::{TAKEN_TO_SENT, bits},
    store::{Stores, kafka::DELIVERY, redis::Place, servers::Servers},
};

const POLL: Duration = Duration::from_millis(100);
/// After so long, whatever a relay had taken has been delivered or has failed.
const SILENCE: Duration = DELIVERY.saturating_add(TAKEN_TO_SENT);
/// Waiting is told every so often, with what for.
const TELL: Duration = Duration::from_secs(5);

/// One wait for the world to catch up with a server that has started.
pub(crate) struct Barrier<'a> {
    stores: &'a Stores,
    place: &'a Place,
    server: &'a str,
    stop: &'a CancellationToken,
}

/// A relay whose row says that it may still hold entries.
#[derive(Debug, FromRow)]
struct Relay {
    relay_id: String,
    same_server: bool,
}

impl<'a> Barrier<'a> {
    pub(crate) const fn new(
        stores: &'a Stores,
        place: &'a Place,
        server: &'a str,
        stop: &'a CancellationToken,
    ) -> Self {
        Self { stores, place, server, stop }
    }

    /// All that relays had taken before now is in Kafka, and all that was in Kafka then is in MySQL.
    pub(crate) async fn all_that_was_taken_is_applied(&self) -> anyhow::Result<()> {
        self.relays_hold_nothing_from_before().await?;
        self.consumers_have_caught_up().await
    }

    /// The partitions' outboxes are empty: the entries that a server came back with are no loss, they go the usual way.
    pub(crate) async fn outboxes_are_empty(&self, redis: &mut Servers, partitions: &[Partition]) -> anyhow::Result<()> {
        let mut told = Instant::now();
        loop {
            let waiting: u64 = markers(redis, partitions).await?.iter().map(|(_, marker)| marker.waiting).sum();
            if waiting == 0 {
                return Ok(());
            }
            self.wait(&mut told, || counted(waiting, "entry") + " in Redis to be relayed").await?;
        }
    }

    async fn relays_hold_nothing_from_before(&self) -> anyhow::Result<()> {
        let now: String = query_scalar("SELECT CAST(UTC_TIMESTAMP(3) AS CHAR)")
            .fetch_one(&self.stores.mysql)
            .await
            .context("MySQL")?;
        let (low, high) = bits(&self.place.partitions);
        // A server's replication may change its name while it serves on; its relays learn that with their next session.
        let (process, _) = self.server.split_once(':').unwrap_or((self.server, ""));
        let (mut told, began) = (Instant::now(), Instant::now());
        loop {
            let holding: Vec<Relay> = query_as(
                "SELECT relay_id, SUBSTRING_INDEX(run_id, ':', 1) = ? AS same_server FROM relay_session
                 WHERE ((partitions_low & ?) | (partitions_high & ?)) <> 0 AND run_id <> ''
                   AND (SUBSTRING_INDEX(run_id, ':', 1) <> ? OR drained_to <= CAST(? AS DATETIME(3)))",
            )
            .bind(process)
            .bind(low)
            .bind(high)
            .bind(process)
            .bind(&now)
            .fetch_all(&self.stores.mysql)
            .await
            .context("MySQL")?;
            let Some(first) = holding.first() else { return Ok(()) };
            // Silence alone does not tell a dead relay from one that cannot reach MySQL: what either took before this
            // wait began has been delivered, or has failed, when it has lasted as long as a delivery may.
            if began.elapsed() > SILENCE {
                return self.forget_silent(&now).await;
            }
            let from = if first.same_server { "this" } else { "another" };
            self.wait(&mut told, || {
                format!(
                    "{} that may hold entries, such as {}, which reads from {from} server",
                    counted(holding.len(), "relay"),
                    first.relay_id
                )
            })
            .await?;
        }
    }

    /// Removes the rows of relays that have said nothing since `now`: nobody need wait for them again.
    async fn forget_silent(&self, now: &str) -> anyhow::Result<()> {
        query("DELETE FROM relay_session WHERE seen_at < CAST(? AS DATETIME(3))")
            .bind(now)
            .execute(&self.stores.mysql)
            .await
            .context("MySQL")?;
        Ok(())
    }

    async fn consumers_have_caught_up(&self) -> anyhow::Result<()> {
        let observer = self.stores.kafka.observer()?;
        let mark = observer.progress().await?;
        let mut now = mark.clone();
        let mut told = Instant::now();
        loop {
            let behind = now.behind(&mark);
            if behind == 0 {
                return Ok(());
            }
            self.wait(&mut told, || counted(behind, "event") + " in Kafka to be consumed").await?;
            now = observer.progress().await?;
        }
    }

    /// Another moment, unless it is no use any more.
    async fn wait(&self, told: &mut Instant, what_for: impl FnOnce() -> String) -> anyhow::Result<()> {
        if self.stop.is_cancelled() {
            bail!("the process stops");
        }
        if told.elapsed() > TELL {
            info!("still fenced, waiting for {}", what_for());
            *told = Instant::now();
            // A server that went away in the meantime is not worth waiting for.
            let mut redis = self.stores.redis.connect_to(self.place).await.context("Redis")?;
            self.still_the_same(&mut redis).await?;
        }
        pause(POLL, self.stop).await;
        Ok(())
    }

    /// What was found out holds for one server.
    pub(crate) async fn still_the_same(&self, redis: &mut Servers) -> anyhow::Result<()> {
        let same = redis.are_the_same().await.context("Redis")?;
        if !same || redis.name(self.place.partitions[0]).context("Redis")? != self.server {
            bail!("Redis was restarted, promoted or demoted in the meantime");
        }
        Ok(())
    }
}
