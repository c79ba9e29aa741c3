//! Apache Kafka, one node that is broker and controller, from its own jars.

use crate::{Service, paths, ports};
use anyhow::{Context, Result};
use futures::FutureExt;
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A broker without topics; it creates none by itself.
pub struct Kafka {
    service: Service,
    port: u16,
}

/// Starts in half the time; a broker for tests is never hot enough to want more.
const JVM: [&str; 4] = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
/// Any 16 bytes in base64 without padding.
const CLUSTER_ID: &str = "ZGV2LWludGVyYWN0aW9ucw";

impl Kafka {
    /// A broker with its data and log below `folder`, not started yet.
    pub fn new(folder: &Path) -> Result<Self> {
        Self::with_listener(folder, None)
    }

    /// A broker that a proxy, too, leads to. A broker tells its clients where to connect: those that come by the proxy
    /// come to a listener of their own and are told the proxy's address.
    pub(crate) fn behind_proxy(folder: &Path, listener: u16, proxy: u16) -> Result<Self> {
        Self::with_listener(folder, Some((listener, proxy)))
    }

    fn with_listener(folder: &Path, proxied: Option<(u16, u16)>) -> Result<Self> {
        let (data, port, controller) = (folder.join("kafka"), ports::free()?, ports::free()?);
        let libs = paths::cache()?.join("kafka/libs");
        let version = version(&libs)?;
        // What formatting writes names no port and no folder, so it serves every broker of this version.
        paths::template(&version, &data, |data| format(&libs, data))?;
        let properties = folder.join("kafka.properties");
        fs::write(&properties, server_properties(&data, port, controller, proxied))?;
        let service = Service::new("kafka", "java", folder.join("kafka.log"), move || metadata(port).boxed())
            .args(java(&libs))
            .args(["kafka.Kafka".as_ref(), properties.as_os_str()]);
        Ok(Self { service, port })
    }

    /// The same, started and answering.
    pub async fn start_in(folder: &Path) -> Result<Self> {
        let kafka = Self::new(folder)?;
        kafka.start().await?;
        Ok(kafka)
    }

    /// One that Docker Compose runs.
    pub(crate) fn in_compose(folder: &Path) -> Result<Self> {
        let port = ports::free()?;
        let service = Service::new("kafka", "docker", folder.join("kafka.log"), move || metadata(port).boxed())
            .args(crate::compose::up("kafka", port))
            .envs([("KAFKA_PORT", port.to_string())])
            .ends_its_children();
        Ok(Self { service, port })
    }

    /// `127.0.0.1:<port>`
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Deref for Kafka {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

fn java(libs: &Path) -> Vec<String> {
    let logging = paths::root().join("dev/kafka/log4j2.properties");
    let mut arguments = JVM.map(str::to_owned).to_vec();
    arguments.push(format!("-Dlog4j2.configurationFile={}", logging.display()));
    arguments.extend(["-cp".to_owned(), format!("{}/*", libs.display())]);
    arguments
}

/// Name of the broker's jar without its ending: `kafka_2.13-4.1.0`.
fn version(libs: &Path) -> Result<String> {
    let entries = fs::read_dir(libs).with_context(|| format!("{} is missing: run dev/setup", libs.display()))?;
    let mut jars = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let jar: Option<PathBuf> = jars.find(|jar| jar.display().to_string().contains("/kafka_2."));
    jar.and_then(|jar| Some(jar.file_stem()?.display().to_string())).context("no Kafka jar: run dev/setup")
}

fn format(libs: &Path, data: &Path) -> Result<()> {
    let properties = tempfile::NamedTempFile::new()?;
    fs::write(properties.path(), server_properties(data, 1, 2, None))?;
    let mut command = Command::new("java");
    command.args(java(libs)).args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"]);
    paths::run(command.arg(properties.path()))
}

fn server_properties(data: &Path, port: u16, controller: u16, proxied: Option<(u16, u16)>) -> String {
    let proxied = |pick: fn((u16, u16)) -> u16| {
        proxied.map(|ports| format!(",PROXIED://127.0.0.1:{}", pick(ports))).unwrap_or_default()
    };
    let (listener, advertised) = (proxied(|ports| ports.0), proxied(|ports| ports.1));
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listener}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A group's first member need not wait three seconds for others to come.
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
",
        data.display()
    )
}

/// librdkafka's call blocks; a broker that is not there yet costs its time-out.
async fn metadata(port: u16) -> Result<()> {
    // librdkafka waits longer and longer between connections: while nothing listens, it is not asked.
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    tokio::task::spawn_blocking(move || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", format!("127.0.0.1:{port}")).set("group.id", "readiness");
        let (consumer, patience): (BaseConsumer, _) = (config.create()?, Duration::from_secs(3));
        let metadata = consumer.fetch_metadata(None, patience)?;
        anyhow::ensure!(!metadata.brokers().is_empty(), "no broker is registered yet");
        // A new broker makes the topic of consumers' offsets when the first group asks, which takes it seconds.
        let mut any = TopicPartitionList::new();
        any.add_partition("readiness", 0);
        consumer.committed_offsets(any, patience)?;
        Ok(())
    })
    .await?
}
