//! Waiting until everything that left Redis is known: it is in Kafka, or has reached MySQL.

use std::time::{Duration, Instant};

use anyhow::bail;
use contract::Partition;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    backoff::pause,
    ledger::{
        clock::mysql_time,
        known::Unapplied,
        markers::markers,
        relay_session::{self, SILENCE},
    },
    output::counted,
    store::{Stores, place::Place, progress::Mark, servers::Servers},
};

const POLL: Duration = Duration::from_millis(100);
/// How often the log says what a wait is for.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// One wait, for one server that has started.
pub(crate) struct Barrier<'a> {
    stores: &'a Stores,
    place: &'a Place,
    server: &'a str,
    stop: &'a CancellationToken,
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

    /// Everything that relays had taken of these partitions before now is in MySQL. Consumers that lag behind with other
    /// partitions are not waited for.
    pub(crate) async fn all_that_was_taken_is_applied(&self, partitions: &[Partition]) -> anyhow::Result<()> {
        let unapplied = self.all_that_was_taken_is_known().await?;
        self.consumers_have_come_to(&unapplied.end_of(partitions)).await
    }

    /// Everything that relays had taken before now is in Kafka. Returns what Kafka has and MySQL lacks. If the
    /// consumers catch up first, there is nothing to return.
    pub(crate) async fn all_that_was_taken_is_known(&self) -> anyhow::Result<Unapplied> {
        self.relays_have_delivered_what_they_had_taken().await?;
        let reading = async { Ok(Unapplied::read(self.stores.kafka.unapplied(self.stop).await?).await?) };
        tokio::select! {
            // In most cases there is nothing to wait for.
            biased;
            applied = self.consumers_have_caught_up() => applied.map(|()| Unapplied::default()),
            read = reading => read,
        }
    }

    /// The partitions' outboxes are empty. The entries that a server came back with are not lost; they go the usual
    /// way.
    pub(crate) async fn outboxes_are_empty(&self, redis: &mut Servers, partitions: &[Partition]) -> anyhow::Result<()> {
        let mut logged = Instant::now();
        loop {
            let waiting: u64 = markers(redis, partitions).await?.iter().map(|(_, marker)| marker.waiting).sum();
            if waiting == 0 {
                return Ok(());
            }
            self.wait(&mut logged, || counted(waiting, "entry") + " in Redis to be relayed").await?;
        }
    }

    async fn relays_have_delivered_what_they_had_taken(&self) -> anyhow::Result<()> {
        let now = mysql_time(&self.stores.mysql).await?;
        let (mut logged, began) = (Instant::now(), Instant::now());
        loop {
            let relays =
                relay_session::in_flight(&self.stores.mysql, &self.place.partitions, self.server, &now).await?;
            let Some(first) = relays.first() else { return Ok(()) };
            // Silence alone does not distinguish a dead relay from one that cannot reach MySQL. After this wait,
            // whatever either took before has been delivered or has failed.
            if began.elapsed() > SILENCE {
                return Ok(relay_session::forget_silent(&self.stores.mysql, &now).await?);
            }
            let from = if first.same_server { "this" } else { "another" };
            self.wait(&mut logged, || {
                format!(
                    "{} that may have entries in flight, such as {}, which reads from {from} server",
                    counted(relays.len(), "relay"),
                    first.relay_id
                )
            })
            .await?;
        }
    }

    async fn consumers_have_caught_up(&self) -> anyhow::Result<()> {
        let end = self.stores.kafka.progress().await?.end();
        self.consumers_have_come_to(&end).await
    }

    async fn consumers_have_come_to(&self, mark: &Mark) -> anyhow::Result<()> {
        let mut logged = Instant::now();
        loop {
            let behind = self.stores.kafka.progress().await?.behind(mark);
            if behind == 0 {
                return Ok(());
            }
            self.wait(&mut logged, || counted(behind, "event") + " in Kafka to be consumed").await?;
        }
    }

    /// Waits a moment, unless waiting has become useless.
    async fn wait(&self, logged: &mut Instant, what_for: impl FnOnce() -> String) -> anyhow::Result<()> {
        if self.stop.is_cancelled() {
            bail!("the process stops");
        }
        if logged.elapsed() > LOG_EVERY {
            info!("still fenced, waiting for {}", what_for());
            *logged = Instant::now();
            // Stop waiting for a server that has gone away.
            let mut redis = self.stores.redis.connect_to(self.place).await?;
            self.still_the_same(&mut redis).await?;
        }
        pause(POLL, self.stop).await;
        Ok(())
    }

    /// Fails if the server has changed: what was found out holds for one server only.
    pub(crate) async fn still_the_same(&self, redis: &mut Servers) -> anyhow::Result<()> {
        let same = redis.are_the_same().await?;
        if !same || redis.name(self.place.partitions[0])? != self.server {
            bail!("Redis was restarted, promoted or demoted in the meantime");
        }
        Ok(())
    }
}
