//! Brings a Redis back into service after a restart: at once where it has lost nothing, else rebuilt from MySQL.
//!
//! Every partition's marker names the server whose data was last known to be whole. A restarted, flushed, restored or
//! promoted server is not that one, and refuses to serve until it is declared whole here.

mod barrier;
mod decide;
mod known;
mod rebuild;
mod report;
mod restore;
mod seen;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use contract::{Partition, Version, keys, scripts};
use redis::aio::MultiplexedConnection;
use sqlx::{MySqlConnection, MySqlPool, query_scalar};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

pub(crate) use self::decide::Marker;
use self::{
    barrier::Barrier,
    decide::{Next, next},
    known::Known,
    seen::{Looks, Loss, time},
};
use crate::{
    backoff::{Backoff, pause},
    metrics,
    store::{
        Stores,
        redis::{RELAY_GROUP, call, run_id, run_script, run_scripts},
    },
};

const POLL: Duration = Duration::from_millis(250);

/// Runs until `stop`, over any outage. Of several processes one works and the others stand by.
pub(crate) async fn run(stores: Stores, stop: CancellationToken) -> anyhow::Result<()> {
    let mut backoff = Backoff::new();
    while !stop.is_cancelled() {
        if let Err(error) = watch(&stores, &stop, &mut backoff).await {
            metrics::interrupted("warm", &error);
            warn!("cold partitions stay fenced, trying again: {error:#}");
            backoff.wait(&stop).await;
        }
    }
    Ok(())
}

async fn watch(stores: &Stores, stop: &CancellationToken, backoff: &mut Backoff) -> anyhow::Result<()> {
    let mut redis = stores.redis.connect().await.context("Redis")?;
    let mut looks = Looks::new();
    while !stop.is_cancelled() {
        let server = run_id(&mut redis).await.context("Redis")?;
        let at = time(&mut redis).await?;
        let markers = markers(&mut redis, &Partition::all().collect::<Vec<_>>()).await?;
        if looks.due() {
            looks.remember(&stores.mysql, &server, at, &markers).await;
        }
        if markers.iter().any(|(_, marker)| marker.run_id != server) {
            warm_up(stores, &mut redis, &server, stop).await?;
        }
        backoff.reset();
        pause(POLL, stop).await;
    }
    Ok(())
}

/// The partitions that this server may not serve.
async fn cold(redis: &mut MultiplexedConnection, server: &str) -> anyhow::Result<Vec<(Partition, Marker)>> {
    let mut markers = markers(redis, &Partition::all().collect::<Vec<_>>()).await?;
    markers.retain(|(_, marker)| marker.run_id != server);
    Ok(markers)
}

/// What `partition_state.lua` answers.
type Answer = (String, u64, String, u64, String, String);

/// What Redis says of these partitions, each at one moment.
pub(crate) async fn markers(
    redis: &mut MultiplexedConnection,
    partitions: &[Partition],
) -> anyhow::Result<Vec<(Partition, Marker)>> {
    let mut calls = redis::pipe();
    for partition in partitions {
        calls.add_command(call(&scripts::PARTITION_STATE, [keys::warm(*partition), keys::outbox(*partition)]));
    }
    let answers: Vec<Answer> = run_scripts(redis, &calls).await.context("Redis")?;
    let marker = |(run_id, epoch, last, waiting, oldest, rebuild): Answer| {
        let last: Version = last.parse().context("the outbox has an id past 2^63")?;
        anyhow::Ok(Marker {
            run_id,
            epoch,
            last,
            waiting,
            oldest: oldest.parse().ok(),
            rebuilding: !rebuild.is_empty(),
        })
    };
    partitions.iter().zip(answers).map(|(partition, answer)| Ok((*partition, marker(answer)?))).collect()
}

/// Declares each cold partition whole, after a rebuild where it is not. Does nothing while another process is at it.
async fn warm_up(
    stores: &Stores,
    redis: &mut MultiplexedConnection,
    server: &str,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(mut lock) = Lock::take(&stores.mysql).await? else {
        debug!("another process warms");
        return Ok(());
    };
    let outcome = warm_up_locked(stores, redis, server, stop).await;
    lock.release().await;
    outcome
}

async fn warm_up_locked(
    stores: &Stores,
    redis: &mut MultiplexedConnection,
    server: &str,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let began = Instant::now();
    // Looked at only now that nobody else is at it.
    let cold = cold(redis, server).await?;
    if cold.is_empty() {
        return Ok(());
    }
    let noticed = time(redis).await?;
    info!(server, partitions = cold.len(), "Redis is not known to be whole: fenced");
    let barrier = Barrier::new(stores, server, stop);
    barrier.all_that_was_taken_is_applied().await?;
    let known = Known::read(&stores.mysql).await?;

    let mut lost = Vec::new();
    let mut whole = Vec::new();
    for (partition, marker) in cold {
        match next(&marker, server, known.version(partition)) {
            Next::Serve => (),
            Next::Declare => whole.push((partition, marker.epoch)),
            Next::Rebuild(why) => {
                debug!(partition = partition.get(), "rebuild: {why}");
                lost.push((partition, why));
            }
        }
    }
    declare(redis, server, &whole).await?;
    if !whole.is_empty() {
        info!(partitions = whole.len(), ms = began.elapsed().as_millis(), "warm: nothing was lost");
    }
    if let Some((_, why)) = lost.first() {
        let partitions: Vec<Partition> = lost.iter().map(|(partition, _)| *partition).collect();
        let loss = Loss::read(&stores.mysql, &known, &partitions, noticed).await?;
        info!(partitions = partitions.len(), "rebuilding from MySQL, since {why}");
        warn!("{loss}");
        let written = rebuild::rebuild(stores, redis, &barrier, server, &partitions).await?;
        report::report(
            &stores.mysql,
            &report::Rebuilt { why, partitions: partitions.len(), loss, written, took: began.elapsed() },
        )
        .await;
    }
    Ok(())
}

async fn declare(redis: &mut MultiplexedConnection, server: &str, whole: &[(Partition, u64)]) -> anyhow::Result<()> {
    for (partition, epoch) in whole {
        let mut warm = call(&scripts::WARM, [keys::warm(*partition), keys::outbox(*partition)]);
        warm.arg(server).arg(epoch).arg("0-0").arg("").arg(RELAY_GROUP);
        let answer: Vec<String> = run_script(redis, warm).await.context("Redis")?;
        anyhow::ensure!(answer == ["OK"], "partition {partition} changed while it was looked at");
    }
    Ok(())
}

/// The right to warm, as a lock of a MySQL session: it ends with the connection, however the process ends.
struct Lock(Option<sqlx::pool::PoolConnection<sqlx::MySql>>);

impl Lock {
    async fn take(mysql: &MySqlPool) -> anyhow::Result<Option<Self>> {
        let mut connection = mysql.acquire().await.context("MySQL")?;
        let got = Self::ask(&mut connection).await.context("MySQL")?;
        Ok((got == Some(1)).then_some(Self(Some(connection))))
    }

    async fn ask(connection: &mut MySqlConnection) -> sqlx::Result<Option<i64>> {
        query_scalar("SELECT CAST(GET_LOCK(CONCAT('interaction.warm.', DATABASE()), 0) AS SIGNED)")
            .fetch_one(connection)
            .await
    }

    async fn release(&mut self) {
        if let Some(mut connection) = self.0.take() {
            let release = "SELECT CAST(RELEASE_LOCK(CONCAT('interaction.warm.', DATABASE())) AS SIGNED)";
            if query_scalar::<_, Option<i64>>(release).fetch_one(&mut *connection).await.is_err() {
                connection.close_on_drop();
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Not given back to the pool with the lock still held.
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}
