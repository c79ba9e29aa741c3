//! Work that runs for every server separately.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    backoff::pause,
    store::{place::Place, redis::Redis},
};

/// How often the servers' partitions are asked for again.
const LOOK: Duration = Duration::from_millis(500);

/// Runs `work` for every server separately until `stop`, so that a server that is down delays no other. When a cluster
/// moves a server's partitions to another server, work for the first ends and work for the other begins.
pub(crate) async fn for_each_server<F, W>(redis: &Redis, stop: &CancellationToken, work: F) -> anyhow::Result<()>
where
    F: Fn(Place, CancellationToken) -> W,
    W: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let mut at_work: Vec<(Place, CancellationToken)> = Vec::new();
    let mut tasks = JoinSet::new();
    let mut failing = false;
    while !stop.is_cancelled() {
        match redis.places().await {
            Ok(places) if at_work.is_empty() && matches!(&places[..], [Place { address: None, .. }]) => {
                // Without a cluster there is one server, and it stays the only one.
                return work(places[0].clone(), stop.clone()).await;
            }
            Ok(places) => {
                failing = false;
                at_work.retain(|(place, its_stop)| {
                    let stays = places.contains(place);
                    if !stays {
                        info!(?place, "the partitions of a server have changed");
                        its_stop.cancel();
                    }
                    stays
                });
                for place in places {
                    if at_work.iter().all(|(other, _)| *other != place) {
                        let its_stop = stop.child_token();
                        tasks.spawn(work(place.clone(), its_stop.clone()));
                        at_work.push((place, its_stop));
                    }
                }
            }
            Err(error) if !failing => {
                failing = true;
                let error = anyhow::Error::from(error);
                warn!("Redis does not say which server has which partition: {error:#}");
            }
            Err(_) => (),
        }
        while let Some(ended) = tasks.try_join_next() {
            ended??;
        }
        pause(LOOK, stop).await;
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
