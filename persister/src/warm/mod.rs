//! Brings a Redis back into service after a restart: at once where it has lost nothing, else rebuilt from MySQL.
//!
//! Every partition's marker names the server whose data was last known to be whole. A restarted, flushed, restored or
//! promoted server is not that one, and refuses to serve until it is declared whole here.

mod alive;
mod barrier;
mod decide;
mod known;
mod rebuild;
mod report;
mod restore;
mod seen;

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use contract::{Partition, Version, keys, scripts};
use sqlx::{Connection as _, MySqlConnection, MySqlPool, query_scalar};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::{
    barrier::Barrier,
    decide::{Next, next},
    known::Known,
    seen::{Looks, Loss, time},
};
pub(crate) use self::{decide::Marker, report::PROMOTED};
use crate::{
    backoff::{Backoff, pause},
    bars, metrics,
    store::{
        Stores,
        redis::{Place, RELAY_GROUP, call, run_script, run_scripts},
        servers::{Servers, for_each_server},
    },
};

const POLL: Duration = Duration::from_millis(250);
/// How often the lock's connection is used, and how long MySQL may take to answer it.
const PING: Duration = Duration::from_secs(5);

/// Runs until `stop`, over any outage. Of several processes one works and the others stand by.
pub(crate) async fn run(stores: Stores, stop: CancellationToken) -> anyhow::Result<()> {
    let redis = stores.redis.clone();
    let working = stop.child_token();
    let work = async {
        let outcome = for_each_server(&redis, &stop, |place, stop| keep_warm(stores.clone(), place, stop)).await;
        // A job that died does not say that it lives.
        working.cancel();
        outcome
    };
    tokio::join!(work, alive::run(&stores.mysql, &working)).0
}

async fn keep_warm(stores: Stores, place: Place, stop: CancellationToken) -> anyhow::Result<()> {
    let mut backoff = Backoff::new();
    while !stop.is_cancelled() {
        if let Err(error) = watch(&stores, &place, &stop, &mut backoff).await {
            metrics::interrupted("warm", &error);
            warn!("cold partitions stay fenced, trying again: {error:#}");
            backoff.wait(&stop).await;
        }
    }
    Ok(())
}

async fn watch(stores: &Stores, place: &Place, stop: &CancellationToken, backoff: &mut Backoff) -> anyhow::Result<()> {
    let mut redis = stores.redis.connect_to(place).await.context("Redis")?;
    let server = redis.name(place.partitions[0]).context("Redis")?.to_owned();
    let mut looks = Looks::new();
    while !stop.is_cancelled() {
        ensure!(redis.are_the_same().await.context("Redis")?, "Redis was promoted, or demoted");
        let at = time(&mut redis).await?;
        let markers = markers(&mut redis, &place.partitions).await?;
        if looks.due() {
            looks.remember(&stores.mysql, &server, at, &markers).await;
        }
        if markers.iter().any(|(_, marker)| marker.run_id != server) {
            warm_up(stores, &mut redis, place, &server, stop).await?;
        }
        backoff.reset();
        pause(POLL, stop).await;
    }
    Ok(())
}

/// The partitions that this server may not serve.
async fn cold(redis: &mut Servers, server: &str) -> anyhow::Result<Vec<(Partition, Marker)>> {
    let partitions = redis.partitions();
    let mut markers = markers(redis, &partitions).await?;
    markers.retain(|(_, marker)| marker.run_id != server);
    Ok(markers)
}

/// What `partition_state.lua` answers.
type Answer = (String, u64, String, u64, String, String);

/// What Redis says of these partitions, each at one moment.
pub(crate) async fn markers(redis: &mut Servers, partitions: &[Partition]) -> anyhow::Result<Vec<(Partition, Marker)>> {
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

/// Fails unless every partition is warm: likes that a rebuild is bringing back cannot be found, nor taken out, and what
/// MySQL gets meanwhile may be missing in what is brought back.
pub(crate) async fn all_warm(redis: &mut Servers) -> anyhow::Result<()> {
    let partitions: Vec<Partition> = Partition::all().collect();
    let markers = markers(redis, &partitions).await?;
    let mut cold = 0;
    for (partition, marker) in markers {
        cold += usize::from(marker.run_id != redis.name(partition).context("Redis")?);
    }
    ensure!(cold == 0, "this needs all partitions warm, and {cold} are not");
    Ok(())
}

/// Declares each cold partition whole, after a rebuild where it is not. Does nothing while another process is at it.
async fn warm_up(
    stores: &Stores,
    redis: &mut Servers,
    place: &Place,
    server: &str,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(mut lock) = Lock::take(&stores.mysql, place).await? else {
        debug!("another process warms");
        return Ok(());
    };
    // A MySQL that has gone without a word would keep the work waiting for ever: the lock's connection notices.
    let outcome = tokio::select! {
        outcome = warm_up_locked(stores, redis, place, server, stop) => outcome,
        gone = lock.watch() => Err(gone),
    };
    lock.release().await;
    outcome
}

async fn warm_up_locked(
    stores: &Stores,
    redis: &mut Servers,
    place: &Place,
    server: &str,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let began = Instant::now();
    // Looked at only now that nobody else is at it.
    let first = cold(redis, server).await?;
    if first.is_empty() {
        return Ok(());
    }
    let noticed = time(redis).await?;
    info!(server, partitions = first.len(), "Redis is not known to be whole: fenced");
    let barrier = Barrier::new(stores, place, server, stop);
    barrier.all_that_was_taken_is_applied().await?;
    let known = Known::read(&stores.mysql).await?;
    // Again: a server that has only got another name was written to until its clients knew, and what they wrote may be
    // among what is known.
    let mut cold = cold(redis, server).await?;
    cold.retain(|(partition, _)| first.iter().any(|(first, _)| first == partition));

    let mut lost = Vec::new();
    let (mut whole, mut promoted) = (Vec::new(), Vec::new());
    for (partition, marker) in cold {
        match next(&marker, server, known.version(partition)) {
            Next::Serve => (),
            Next::Declare => {
                if redis.took_over_from(partition, &marker.run_id) {
                    promoted.push(partition);
                }
                whole.push((partition, marker.epoch));
            }
            Next::Rebuild(why) => {
                debug!(partition = partition.get(), "rebuild: {why}");
                lost.push((partition, why));
            }
        }
    }
    if !whole.is_empty() {
        let partitions: Vec<Partition> = whole.iter().map(|(partition, _)| *partition).collect();
        bars::agree(&stores.mysql, redis, &partitions).await?;
        declare(redis, server, &whole).await?;
        info!(partitions = whole.len(), ms = began.elapsed().as_millis(), "warm: nothing is known to be lost");
        if !promoted.is_empty() {
            // What waited for the relay when last seen is there, or it would be rebuilt.
            let bound = Loss { waiting: 0, ..Loss::read(&stores.mysql, &known, &promoted, noticed).await? };
            report::promoted(&stores.mysql, promoted.len(), bound, began.elapsed()).await;
        }
    }
    if let Some((_, why)) = lost.first() {
        let partitions: Vec<Partition> = lost.iter().map(|(partition, _)| *partition).collect();
        let bound = Loss::read(&stores.mysql, &known, &partitions, noticed).await?;
        info!(partitions = partitions.len(), "rebuilding from MySQL, since {why}");
        if bound.partitions > 0 {
            warn!("{bound}");
        }
        let written = rebuild::rebuild(stores, redis, &barrier, server, &partitions).await?;
        report::report(
            &stores.mysql,
            &report::Rebuilt { why, partitions: partitions.len(), loss: bound, written, took: began.elapsed() },
        )
        .await;
    }
    Ok(())
}

async fn declare(redis: &mut Servers, server: &str, whole: &[(Partition, u64)]) -> anyhow::Result<()> {
    for (partition, epoch) in whole {
        let mut warm = call(&scripts::WARM, [keys::warm(*partition), keys::outbox(*partition)]);
        warm.arg(server).arg(epoch).arg("0-0").arg("").arg(RELAY_GROUP);
        let answer: Vec<String> = run_script(redis, warm).await.context("Redis")?;
        ensure!(answer == ["OK"], "partition {partition} changed while it was looked at");
    }
    Ok(())
}

/// The right to warm a server, as a lock of a MySQL session: it ends with the connection, however the process ends, and at the
/// latest when the server has heard nothing of it for as long as it waits for any connection of the pool.
struct Lock(Option<sqlx::pool::PoolConnection<sqlx::MySql>>);

impl Lock {
    async fn take(mysql: &MySqlPool, place: &Place) -> anyhow::Result<Option<Self>> {
        let mut connection = mysql.acquire().await.context("MySQL")?;
        let server = place.address.as_ref().map_or(String::new(), |at| format!("{}:{}", at.host, at.port));
        let got = Self::ask(&mut connection, &server).await.context("MySQL")?;
        // However this ends, the lock ends with it.
        connection.close_on_drop();
        Ok((got == Some(1)).then_some(Self(Some(connection))))
    }

    /// Says now and then that the lock is still wanted; ends only when MySQL does not answer.
    async fn watch(&mut self) -> anyhow::Error {
        loop {
            tokio::time::sleep(PING).await;
            let Some(connection) = &mut self.0 else { return anyhow!("the lock was given back") };
            match tokio::time::timeout(PING, connection.ping()).await {
                Ok(Ok(())) => (),
                Ok(Err(error)) => return anyhow!(error).context("MySQL, while it kept the lock"),
                Err(_) => return anyhow!("MySQL does not answer any more"),
            }
        }
    }

    async fn ask(connection: &mut MySqlConnection, server: &str) -> sqlx::Result<Option<i64>> {
        // Names have 64 characters at most.
        query_scalar("SELECT CAST(GET_LOCK(CONCAT('interaction.warm.', LEFT(SHA2(CONCAT(DATABASE(), ' ', ?), 256), 32)), 0) AS SIGNED)")
            .bind(server)
            .fetch_one(connection)
            .await
    }

    async fn release(&mut self) {
        if let Some(mut connection) = self.0.take() {
            let release = "SELECT CAST(RELEASE_ALL_LOCKS() AS SIGNED)";
            // If it fails, the lock ends with the connection all the same.
            let _ =
                tokio::time::timeout(PING, query_scalar::<_, Option<i64>>(release).fetch_one(&mut *connection)).await;
        }
    }
}
