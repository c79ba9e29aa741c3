//! Redis, one server or a cluster: connections that notice a stalled server.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use contract::{Address, Partition, Topology};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _, RedisError,
    RedisResult, aio::MultiplexedConnection,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    error::StoreError,
    info::{Names, names},
    place::Place,
    servers::{Server, Servers},
};
use crate::backoff::Backoff;

const CONNECT: Duration = Duration::from_secs(3);
const REACH: Duration = Duration::from_secs(10);
/// A rebuild's largest script takes milliseconds. A server that does not answer for this long has stalled.
const ANSWER: Duration = Duration::from_secs(10);

/// The address of Redis.
#[derive(Clone)]
pub(crate) struct Redis {
    given: ConnectionInfo,
    /// All servers of the cluster seen so far: the given one may be down.
    met: Arc<Mutex<Vec<Address>>>,
}

impl Redis {
    pub(crate) fn new(url: &str) -> RedisResult<Self> {
        Ok(Self { given: url.into_connection_info()?, met: Arc::default() })
    }

    /// Opens connections to all servers. They never reconnect by themselves, so their owner notices a restart.
    pub(crate) async fn connect(&self) -> Result<Servers, StoreError> {
        let places = self.places().await?;
        let servers = places.into_iter().map(|place| self.server(place));
        Ok(Servers::new(futures::future::try_join_all(servers).await?)?)
    }

    /// As [`Redis::connect`], for a command that nobody starts again: it waits up to ten seconds for a server that cannot be
    /// reached. On Kubernetes, a pod may start before network policies let it reach Redis. The clients of MySQL and Kafka
    /// wait by themselves.
    pub(crate) async fn reach(&self, stop: &CancellationToken) -> Result<Servers, StoreError> {
        let (until, mut backoff) = (Instant::now() + REACH, Backoff::new());
        loop {
            match self.connect().await {
                Err(error) if Instant::now() < until && !stop.is_cancelled() => {
                    warn!("Redis cannot be reached yet: {:#}", anyhow::Error::from(error));
                    backoff.wait(stop).await;
                }
                reached => return reached,
            }
        }
    }

    /// Opens a connection to one server.
    pub(crate) async fn connect_to(&self, place: &Place) -> Result<Servers, StoreError> {
        Ok(Servers::new(vec![self.server(place.clone()).await?])?)
    }

    /// Every server that has partitions, according to the first server that answers.
    pub(crate) async fn places(&self) -> Result<Vec<Place>, StoreError> {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut first_error = None;
        for address in std::iter::once(None).chain(met.into_iter().map(Some)) {
            match self.places_by(address.as_ref()).await {
                Ok(places) => return Ok(places),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        let none = || RedisError::from((ErrorKind::Io, "no server of Redis is known"));
        Err(first_error.unwrap_or_else(none).into())
    }

    async fn places_by(&self, address: Option<&Address>) -> RedisResult<Vec<Place>> {
        let mut connection = self.open(address).await?;
        let nodes: String = match redis::cmd("CLUSTER").arg("NODES").query_async(&mut connection).await {
            Ok(nodes) => nodes,
            // The answer of a server outside any cluster.
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
