//! Connections to the servers of Redis, and the routing of commands.

use contract::{Partition, keys};
use futures::future::try_join_all;
use redis::{
    Arg, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};

use super::{error::StoreError, info::names, place::Place};

/// One server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(super) connection: MultiplexedConnection,
    /// Its names when the connection was opened.
    pub(super) name: String,
    pub(super) former: String,
    pub(super) place: Place,
}

/// The servers of some or all partitions. It takes commands and pipelines like one connection, and sends each to the
/// server that has the partition of its first key.
#[derive(Clone)]
pub(crate) struct Servers {
    servers: Vec<Server>,
    /// The index of the server, by partition.
    owners: [Option<u8>; Partition::COUNT as usize],
}

impl Servers {
    pub(super) fn new(servers: Vec<Server>) -> RedisResult<Self> {
        let mut owners = [None; Partition::COUNT as usize];
        for (at, server) in servers.iter().enumerate() {
            // There are at most as many servers as partitions, since each has at least one.
            let at = u8::try_from(at).map_err(|_| strange("Redis has more servers than partitions"))?;
            for partition in &server.place.partitions {
                owners[usize::from(partition.get())] = Some(at);
            }
        }
        Ok(Self { servers, owners })
    }

    /// The partitions, in order.
    pub(crate) fn partitions(&self) -> Vec<Partition> {
        Partition::all().filter(|partition| self.owner(*partition).is_some()).collect()
    }

    /// The name of the server that has the partition. Scripts compare it with the marker.
    pub(crate) fn name(&self, partition: Partition) -> Result<&str, StoreError> {
        let server = self.owner(partition).ok_or_else(|| unowned(partition))?;
        Ok(&self.servers[server].name)
    }

    /// Whether the partition's server was a replica of the named server and has taken over from it.
    pub(crate) fn took_over_from(&self, partition: Partition, name: &str) -> bool {
        let former = self.owner(partition).map_or("", |server| &self.servers[server].former);
        name.rsplit_once(':').is_some_and(|(_, replication)| replication == former)
    }

    /// Every server, for commands without a key.
    pub(crate) fn each(&mut self) -> impl Iterator<Item = &mut MultiplexedConnection> {
        self.servers.iter_mut().map(|server| &mut server.connection)
    }

    /// The first server, where any will do: to ask the time, or because there is only one.
    pub(crate) fn any(&mut self) -> Result<&mut MultiplexedConnection, StoreError> {
        Ok(self.each().next().ok_or_else(|| strange("no server of Redis has a partition"))?)
    }

    /// Whether every server still has the name that it had on connecting.
    pub(crate) async fn are_the_same(&mut self) -> Result<bool, StoreError> {
        for server in &mut self.servers {
            if names(&mut server.connection).await?.name != server.name {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) async fn load_scripts(&mut self) -> RedisResult<()> {
        let mut load = redis::pipe();
        for script in contract::scripts::ALL {
            load.cmd("SCRIPT").arg("LOAD").arg(script.source).ignore();
        }
        try_join_all(self.each().map(|connection| load.exec_async(connection))).await?;
        Ok(())
    }

    fn owner(&self, partition: Partition) -> Option<usize> {
        self.owners[usize::from(partition.get())].map(usize::from)
    }

    /// Routes by the first argument that is one of our keys.
    fn owner_of(&self, command: &Cmd) -> RedisResult<usize> {
        let partition = command.args_iter().find_map(|arg| match arg {
            Arg::Simple(bytes) => keys::partition_of(std::str::from_utf8(bytes).ok()?),
            _ => None,
        });
        let partition = partition.ok_or_else(|| strange("a command without a key must say which server it is for"))?;
        self.owner(partition).ok_or_else(|| unowned(partition))
    }
}

fn strange(text: &'static str) -> RedisError {
    RedisError::from((ErrorKind::Client, text))
}

fn unowned(partition: Partition) -> RedisError {
    RedisError::from((ErrorKind::Io, "no server of Redis has a partition", partition.to_string()))
}

impl ConnectionLike for Servers {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let owner = self.owner_of(command)?;
            self.servers[owner].connection.req_packed_command(command).await
        })
    }

    /// Sends one pipeline to each server, all at the same time. Returns the answers in the order of the commands.
    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            if let [only] = &mut self.servers[..] {
                return only.connection.req_packed_commands(pipeline, offset, count).await;
            }
            let mut shares: Vec<(Pipeline, Vec<usize>)> = vec![<_>::default(); self.servers.len()];
            for (at, command) in pipeline.cmd_iter().enumerate() {
                let (share, places) = &mut shares[self.owner_of(command)?];
                share.add_command(command.clone());
                places.push(at);
            }
            let concerned = self.servers.iter_mut().zip(&shares).filter(|(_, (_, places))| !places.is_empty());
            let answers = try_join_all(concerned.map(async |(server, (share, places))| {
                let answers = server.connection.req_packed_commands(share, 0, places.len()).await?;
                RedisResult::Ok(places.iter().copied().zip(answers).collect::<Vec<_>>())
            }))
            .await?;
            let mut in_order = vec![Value::Nil; pipeline.len()];
            for (at, answer) in answers.into_iter().flatten() {
                in_order[at] = answer;
            }
            Ok(in_order.into_iter().skip(offset).take(count).collect())
        })
    }

    fn get_db(&self) -> i64 {
        0
    }
}
