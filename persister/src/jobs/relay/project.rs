//! From MySQL's outbox to the projection in Redis.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::ensure;
use contract::{Partition, scripts::Entry};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    backoff::pause,
    jobs::{for_each_server::for_each_server, supervise::supervise},
    ledger::{
        mysql_outbox::{self, Row, Work},
        projection::{self, next_token},
    },
    metrics,
    store::{Stores, place::Place},
};

/// The pause after an empty look at the outbox. It is most of the time by which a favourite's counters in Redis lag
/// behind MySQL.
const IDLE: Duration = Duration::from_millis(15);
/// The pause before a partition that is not warm is tried again.
const COLD: Duration = Duration::from_millis(250);

/// Projects until `stop`, over any outage, into each server of Redis separately.
pub(super) async fn run(stores: &Stores, stop: &CancellationToken) -> anyhow::Result<()> {
    let to_server = |place: Place, stop: CancellationToken| {
        let stores = stores.clone();
        async move {
            supervise("relay_mysql_to_redis", &stop, || session(&stores, &place, &stop)).await;
            Ok(())
        }
    };
    for_each_server(&stores.redis, stop, to_server).await
}

/// Projects into one server with one token. Ends when another process has taken a newer token; the next session then
/// takes its own.
async fn session(stores: &Stores, place: &Place, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut redis = stores.redis.connect_to(place).await?;
    // Take the token after connecting: a late command of the previous session then has a smaller token.
    let token = next_token(&stores.mysql, &place.partitions).await?;
    info!(token, partitions = place.partitions.len(), "writing projections");
    let mut cold = BTreeSet::new();
    let mut look_at_all = Instant::now();
    while !stop.is_cancelled() {
        if !cold.is_empty() && look_at_all.elapsed() > COLD {
            // A server that was only renamed refuses this connection from now on, so the session has to end.
            ensure!(redis.are_the_same().await?, "Redis was promoted, or demoted");
            cold.clear();
        }
        let warm: Vec<Partition> = place.partitions.iter().copied().filter(|p| !cold.contains(p)).collect();
        let began = Instant::now();
        let rows = mysql_outbox::read(&stores.mysql, Work::Project, &warm).await?;
        if rows.is_empty() {
            pause(IDLE, stop).await;
            continue;
        }
        let written = projection::write(&mut redis, token, &entries(&rows)).await?;
        if written.taken_over {
            return Ok(());
        }
        if !written.cold.is_empty() {
            look_at_all = Instant::now();
            cold.extend(written.cold.iter().copied());
        }
        let done: Vec<&Row> = rows.iter().filter(|row| row.partition().is_none_or(|p| !cold.contains(&p))).collect();
        let ids: Vec<i64> = done.iter().map(|row| row.id).collect();
        if !projection::record(&stores.mysql, token, &written.writes, &ids).await? {
            return Ok(());
        }
        metrics::PROJECTED.add(ids.len() as u64, &[]);
        for row in done {
            metrics::PROJECTION_LAG.observe(row.age_seconds() + began.elapsed().as_secs_f64());
        }
    }
    Ok(())
}

/// The entries for each partition's projection, in the order of the rows. A row that is no entry changes nothing here.
/// It goes to the dead-letter queue on its way to Kafka.
fn entries(rows: &[Row]) -> BTreeMap<Partition, Vec<Entry>> {
    let mut entries: BTreeMap<Partition, Vec<Entry>> = BTreeMap::new();
    for entry in rows.iter().filter_map(Row::to_entry) {
        entries.entry(Partition::of(entry.article)).or_default().push(entry);
    }
    entries
}
