use anyhow::{Result, bail};
use contract::scripts::{self, At, Call, Refusal, Reply, send};
use redis::{
    Client, Cmd, ErrorKind, Pipeline, RedisFuture, ServerErrorKind, Value,
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

/// Calls a script as the service does: by its digest, and by its text where the server does not know it.
pub async fn call<C: Call>(redis: &mut Redis, call: &C, at: At<'_>) -> Result<Result<C::Answer, Refusal>> {
    let by_digest = redis::cmd("EVALSHA").arg(send(call, at, false).collect::<Vec<_>>()).query_async(redis).await;
    let reply = match by_digest {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            redis::cmd("EVAL").arg(send(call, at, true).collect::<Vec<_>>()).query_async(redis).await?
        }
        reply => reply?,
    };
    let Value::Array(values) = reply else { bail!("{} answers {reply:?}", C::SCRIPT.name) };
    let value = |value| match value {
        Value::Int(number) => Ok(scripts::Value::Int(number)),
        Value::BulkString(bytes) => Ok(scripts::Value::Bytes(bytes)),
        other => bail!("{} answers {other:?}", C::SCRIPT.name),
    };
    Ok(Reply::new(values.into_iter().map(value).collect::<Result<_>>()?).read())
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
