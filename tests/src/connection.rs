use anyhow::Result;
use redis::{
    Client, Cmd, Pipeline, RedisFuture, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
};

/// A connection to Redis, one server or a cluster.
#[derive(Clone)]
pub enum Redis {
    /// One server.
    One(MultiplexedConnection),
    /// By the client of the library, which has nothing in common with the persister's way.
    Cluster(ClusterConnection),
}

/// A connection to Redis, or to the cluster that it is a server of.
pub async fn redis(url: &str) -> Result<Redis> {
    let patient = stack::patient();
    let mut one = Client::open(url)?.get_multiplexed_async_connection_with_config(&patient).await?;
    let info: String = redis::cmd("INFO").arg("cluster").query_async(&mut one).await?;
    if info.contains("cluster_enabled:1") {
        return Ok(Redis::Cluster(
            ClusterClient::builder([url]).response_timeout(stack::PATIENT).build()?.get_async_connection().await?,
        ));
    }
    Ok(Redis::One(one))
}

impl ConnectionLike for Redis {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(one) => one.req_packed_command(command),
            Self::Cluster(cluster) => cluster.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(one) => one.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        0
    }
}
