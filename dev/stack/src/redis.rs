//! Redis, or Valkey where `INTERACTION_REDIS` names its server.

use crate::clock::Clock;
use crate::{Service, Tls, dev, paths, ports};
use anyhow::{Context, Result};
use futures::FutureExt;
use redis::{AsyncConnectionConfig, Client, TlsCertificates};
use std::env;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The users of the service, each with exactly the rights that the documents name.
const RIGHTS: &str = include_str!("../../../docs/rights/redis.acl");

/// A Redis that acknowledges only what is on disk, as in production.
pub struct Redis {
    service: Service,
    port: u16,
    /// Whether it has the users of the service.
    users: bool,
    /// The port on which the servers of a cluster talk to each other; 0 without a cluster.
    cluster_port: u16,
    url: String,
    client: Client,
    clock: Option<Clock>,
}

impl Redis {
    /// A Redis with its data and log below `folder`, not started yet. Anyone may do anything there, but the components and the
    /// persister come as users of their own.
    pub fn new(folder: &Path) -> Result<Self> {
        let port = ports::free()?;
        let url = format!("redis://127.0.0.1:{port}");
        let client = Client::open(url.as_str())?;
        let service =
            server(folder, &client, "user default on nopass ~* &* +@all")?.args(["--port", &port.to_string()]);
        Ok(Self { service, port, users: true, cluster_port: 0, url, client, clock: None })
    }

    /// One that can be made part of a cluster, not started yet. With replicas, a silent master is replaced after 2 s; until then
    /// only its partitions are not served. Without replicas nobody can take over, so the time-out is longer: with more servers
    /// than cores, a server may be silent for longer than 2 s.
    pub(crate) fn of_cluster(folder: &Path, replicated: bool) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let mut redis = Self::new(folder)?;
        redis.cluster_port = ports::free()?;
        redis.service = redis
            .service
            .args(["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"])
            // Any replica may take over, however long it was cut off. The warm rule finds out what it lacks.
            .args(["--cluster-replica-validity-factor", "0"])
            .args(["--cluster-node-timeout", if replicated { "2000" } else { "30000" }])
            .args(["--cluster-port", &redis.cluster_port.to_string()]);
        Ok(redis)
    }

    /// One that accepts only TLS, and only users with a password.
    pub(crate) fn secured(folder: &Path, tls: &Tls) -> Result<Self> {
        let (port, password) = (ports::free()?, dev("REDIS_PASSWORD"));
        let url = format!("rediss://interaction:{password}@127.0.0.1:{port}");
        let trusted = TlsCertificates { client_tls: None, root_cert: Some(fs::read(tls.ca())?) };
        let client = Client::build_with_tls(url.as_str(), trusted)?;
        let operator = format!("user default off\nuser interaction on >{password} ~* &* +@all");
        let service = server(folder, &client, &operator)?
            .args(["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no"])
            .args(["--tls-cert-file".as_ref(), tls.certificate().as_os_str()])
            .args(["--tls-key-file".as_ref(), tls.key().as_os_str()])
            .args(["--tls-ca-cert-file".as_ref(), tls.ca().as_os_str()]);
        Ok(Self { service, port, users: true, cluster_port: 0, url, client, clock: None })
    }

    /// A Redis, started and answering.
    pub async fn start_in(folder: &Path) -> Result<Self> {
        let redis = Self::new(folder)?;
        redis.start().await?;
        Ok(redis)
    }

    /// One that Docker Compose runs.
    pub(crate) fn in_compose(folder: &Path) -> Result<Self> {
        let port = ports::free()?;
        let url = format!("redis://127.0.0.1:{port}");
        let client = Client::open(url.as_str())?;
        let service = service("docker".as_ref(), folder, &client)
            .args(crate::compose::up("redis", port))
            .envs([("REDIS_PORT", port.to_string())])
            .ends_its_children();
        Ok(Self { service, port, users: false, cluster_port: 0, url, client, clock: None })
    }

    /// The same with a clock that `set_clock` sets.
    pub(crate) fn with_clock(mut self, folder: &Path) -> Result<Self> {
        let clock = Clock::new(folder)?;
        self.service = self.service.envs(clock.environment());
        self.clock = Some(clock);
        Ok(self)
    }

    /// Sets the server's time of day, at once, to the machine's plus `offset` seconds.
    pub fn set_clock(&self, offset: i64) -> Result<()> {
        self.clock.as_ref().context("this Redis has the machine's clock")?.set(offset)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port on which the servers of a cluster talk to each other.
    pub(crate) fn cluster_port(&self) -> u16 {
        self.cluster_port
    }

    /// With every right: `redis://127.0.0.1:<port>`, or `rediss://<user>:<password>@127.0.0.1:<port>` if it is secured.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// As the user of the components.
    #[must_use]
    pub fn components_url(&self) -> String {
        self.url_of("components")
    }

    /// As the user of the persister.
    #[must_use]
    pub fn persister_url(&self) -> String {
        self.url_of("persister")
    }

    fn url_of(&self, user: &str) -> String {
        let (scheme, rest) = self.url.split_once("://").expect("a URL has a scheme");
        let host = rest.rsplit('@').next().unwrap_or(rest);
        if self.users { format!("{scheme}://{user}:{}@{host}", dev("REDIS_PASSWORD")) } else { self.url.clone() }
    }

    /// A client that trusts the server's certificate, if it has one.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }
}

impl Deref for Redis {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// The server to run.
pub(crate) fn program() -> Result<PathBuf> {
    env::var_os("INTERACTION_REDIS").map_or_else(|| paths::program(&["redis-server"]), |program| Ok(program.into()))
}

/// `operator` says who may do everything. It takes the place of the line by which the file switches off `default`.
fn server(folder: &Path, client: &Client, operator: &str) -> Result<Service> {
    let data = folder.join("redis");
    fs::create_dir_all(&data)?;
    let users = folder.join("redis.acl");
    let password = dev("REDIS_PASSWORD");
    let rights = RIGHTS.replace("COMPONENTS-PASSWORD", password).replace("PERSISTER-PASSWORD", password);
    fs::write(&users, rights.replace("user default off", operator))?;
    Ok(service(program()?.as_os_str(), folder, client)
        .args(["--bind", "127.0.0.1", "--daemonize", "no"])
        // No snapshots: the append-only file alone holds the data, synced before each answer.
        .args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"])
        .args(["--aclfile".as_ref(), users.as_os_str()])
        .args(["--enable-debug-command", "local", "--dir"])
        .args([&data]))
}

fn service(program: &std::ffi::OsStr, folder: &Path, client: &Client) -> Service {
    let client = client.clone();
    Service::new("redis", program, folder.join("redis.log"), move || ping(client.clone()).boxed())
}

/// How long to wait for an answer on a busy machine, whose disk may take long to sync. The client's default is half a second.
pub const PATIENT: Duration = Duration::from_secs(10);

/// Connection settings that wait for [`PATIENT`].
#[must_use]
pub fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENT)).set_response_timeout(Some(PATIENT))
}

/// Fails while the server is down, and while it loads its data.
async fn ping(client: Client) -> Result<()> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    Ok(redis::cmd("PING").exec_async(&mut connection).await?)
}
