//! Redis, one server or a cluster: connections that notice a stalled server, and scripts by their digest.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use contract::{Address, Partition, Topology, keys, scripts::Script};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo as _, Pipeline, RedisError, RedisResult, ServerErrorKind, Value, aio::MultiplexedConnection,
};

use super::servers::{Server, Servers};

/// The consumer group of the relays, on every outbox.
pub(crate) const RELAY_GROUP: &str = "relay";

const CONNECT: Duration = Duration::from_secs(3);
/// A script over a partition's share of a rebuild takes milliseconds; a server that says nothing for so long has stalled.
const ANSWER: Duration = Duration::from_secs(10);

/// Where Redis is.
#[derive(Clone)]
pub(crate) struct Redis {
    given: ConnectionInfo,
    /// The servers of the cluster that were ever seen: the given one may be the one that is down.
    met: Arc<Mutex<Vec<Address>>>,
}

/// A server's address, and its share of the partitions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// None of the only server, which is where the URL says.
    pub(crate) address: Option<Address>,
    pub(crate) partitions: Vec<Partition>,
}

impl Redis {
    pub(crate) fn new(url: &str) -> RedisResult<Self> {
        Ok(Self { given: url.into_connection_info()?, met: Arc::default() })
    }

    /// Opens connections to all servers. They never reconnect by themselves, so that whoever holds them learns of a
    /// restart.
    pub(crate) async fn connect(&self) -> RedisResult<Servers> {
        let places = self.places().await?;
        Servers::new(futures::future::try_join_all(places.into_iter().map(|place| self.server(place))).await?)
    }

    /// The same to one server alone.
    pub(crate) async fn connect_to(&self, place: &Place) -> RedisResult<Servers> {
        Servers::new(vec![self.server(place.clone()).await?])
    }

    /// Every server that has partitions, as the first server says that answers.
    pub(crate) async fn places(&self) -> RedisResult<Vec<Place>> {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut first_error = None;
        for address in std::iter::once(None).chain(met.into_iter().map(Some)) {
            match self.places_by(address.as_ref()).await {
                Ok(places) => return Ok(places),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| RedisError::from((ErrorKind::Io, "no server of Redis is known"))))
    }

    async fn places_by(&self, address: Option<&Address>) -> RedisResult<Vec<Place>> {
        let mut connection = self.open(address).await?;
        let nodes: String = match redis::cmd("CLUSTER").arg("NODES").query_async(&mut connection).await {
            Ok(nodes) => nodes,
            // What a server says that is in no cluster.
            Err(error) if error.to_string().contains("cluster support disabled") => {
                return Ok(vec![Place { address: None, partitions: Partition::all().collect() }]);
            }
            Err(error) => return Err(error),
        };
        let topology = Topology::parse(&nodes, host_of(self.given.addr()));
        let mut shares: BTreeMap<Address, Vec<Partition>> = BTreeMap::new();
        for partition in Partition::all() {
            if let Some(owner) = topology.owner(partition) {
                shares.entry(owner.clone()).or_default().push(partition);
            }
        }
        if shares.is_empty() {
            return Err(RedisError::from((
                ErrorKind::Io,
                "a server that is not, or not yet, of the cluster was asked",
            )));
        }
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        for address in shares.keys() {
            if !met.contains(address) {
                met.push(address.clone());
            }
        }
        Ok(shares.into_iter().map(|(address, partitions)| Place { address: Some(address), partitions }).collect())
    }

    async fn server(&self, place: Place) -> RedisResult<Server> {
        let mut connection = self.open(place.address.as_ref()).await?;
        let Names { name, former } = names(&mut connection).await?;
        Ok(Server { connection, name, former, place })
    }

    async fn open(&self, address: Option<&Address>) -> RedisResult<MultiplexedConnection> {
        let info = match address {
            Some(Address { host, port }) => {
                let address = match self.given.addr().clone() {
                    ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                        ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure, tls_params }
                    }
                    _ => ConnectionAddr::Tcp(host.clone(), *port),
                };
                self.given.clone().set_addr(address)
            }
            None => self.given.clone(),
        };
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(ANSWER));
        Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await
    }
}

fn host_of(address: &ConnectionAddr) -> &str {
    match address {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
        _ => "",
    }
}

/// What a server calls itself (<https://redis.io/docs/latest/commands/info/>).
pub(crate) struct Names {
    /// The server, and the history that its data is of: `run_id`, which it gives itself at each start, and
    /// `master_replid`, which changes when it becomes a replica and when it is promoted.
    pub(crate) name: String,
    /// Of a replica that was promoted, the replication id of its former master.
    pub(crate) former: String,
}

pub(crate) async fn names(connection: &mut MultiplexedConnection) -> RedisResult<Names> {
    let mut ask = redis::pipe();
    ask.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let (server, replication): (String, String) = ask.query_async(connection).await?;
    match (word_of(&server, "run_id"), word_of(&replication, "master_replid")) {
        (Some(run_id), Some(replid)) => Ok(Names {
            name: format!("{run_id}:{replid}"),
            former: word_of(&replication, "master_replid2").unwrap_or_default().to_owned(),
        }),
        _ => Err(RedisError::from((ErrorKind::UnexpectedReturnType, "INFO has no run_id or no master_replid"))),
    }
}

/// A value of INFO's answer.
pub(crate) fn word_of<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The same of a number; 0 if the server does not know the name.
pub(crate) fn number_of(info: &str, name: &str) -> u64 {
    word_of(info, name).and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// A command that calls a script by its digest.
pub(crate) fn call<K: AsRef<str>>(script: &Script, keys: impl IntoIterator<Item = K>) -> Cmd {
    let keys: Vec<K> = keys.into_iter().collect();
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.sha).arg(keys.len());
    for key in &keys {
        command.arg(key.as_ref());
    }
    command
}

/// Sends a pipeline of script calls, once more after loading the scripts if a server does not know one. The scripts
/// called this way may all be repeated: each leaves the same state however often it runs.
pub(crate) async fn run_scripts<T: FromRedisValue>(servers: &mut Servers, calls: &Pipeline) -> RedisResult<Vec<T>> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let answers = match calls.query_async(servers).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            servers.load_scripts().await?;
            calls.query_async(servers).await
        }
        answers => answers,
    };
    answers.map_err(|error| short(&error))
}

/// The error of a pipeline repeats that of each of its commands; the first says enough.
pub(crate) fn short(error: &RedisError) -> RedisError {
    let text: String = error.to_string().chars().take(200).collect();
    RedisError::from((error.kind(), "a call failed", text))
}

/// Sends one script call.
pub(crate) async fn run_script<T: FromRedisValue>(servers: &mut Servers, call: Cmd) -> RedisResult<T> {
    let mut calls = redis::pipe();
    calls.add_command(call);
    run_scripts(servers, &calls)
        .await?
        .pop()
        .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "a script without an answer")))
}

/// Makes the relay's group wherever it is missing, from the stream's beginning.
pub(crate) async fn make_groups(servers: &mut Servers) -> RedisResult<()> {
    let mut create = redis::pipe();
    create.ignore_errors();
    for partition in servers.partitions() {
        create.cmd("XGROUP").arg("CREATE").arg(keys::outbox(partition)).arg(RELAY_GROUP).arg(0).arg("MKSTREAM");
    }
    let answers: Vec<RedisResult<Value>> = create.query_async(servers).await?;
    for answer in answers {
        match answer {
            Err(error) if error.code() != Some("BUSYGROUP") => return Err(error),
            _ => (),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_the_servers_own_words() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:0123abc\r\ntcp_port:6379\r\n";
        assert_eq!(word_of(info, "run_id"), Some("0123abc"));
        assert_eq!(word_of(info, "run"), None);
    }
}
