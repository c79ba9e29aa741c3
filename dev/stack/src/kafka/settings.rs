//! What a broker is set to, and when it is ready.

use super::jvm::java;
use super::listeners::{BROKER, Listeners, MAIN};
use crate::{dev, paths};
use anyhow::Result;
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How clients reach a broker.
pub(super) enum Way {
    Open,
    Proxied { listener: u16, proxy: u16 },
    Secured(Listeners),
}

/// Any 16 bytes in base64 without padding.
const CLUSTER_ID: &str = "ZGV2LWludGVyYWN0aW9ucw";

/// Prepares the folder of a broker's data.
pub(super) fn format(libs: &Path, data: &Path, more: &[&str]) -> Result<()> {
    let properties = tempfile::NamedTempFile::new()?;
    fs::write(properties.path(), server_properties(data, 1, 2, &Way::Open))?;
    let mut command = Command::new("java");
    command.args(java(libs)).args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"]);
    paths::run(command.arg(properties.path()).args(more))
}

/// The broker's file of settings.
pub(super) fn server_properties(data: &Path, port: u16, controller: u16, way: &Way) -> String {
    let (mut listener, mut advertised, mut more) = (String::new(), String::new(), String::new());
    match way {
        Way::Open => {}
        Way::Proxied { listener: own, proxy } => {
            listener = format!(",PROXIED://127.0.0.1:{own}");
            advertised = format!(",PROXIED://127.0.0.1:{proxy}");
        }
        Way::Secured(listeners) => {
            listener = listeners.list();
            advertised = listeners.list();
            more = listeners.properties();
        }
    }
    let protocol = if more.is_empty() { "PLAINTEXT" } else { MAIN };
    let named = Listeners::protocols();
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners={protocol}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listener}
advertised.listeners={protocol}://127.0.0.1:{port}{advertised}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,\
SASL_SSL:SASL_SSL{named}
inter.broker.listener.name={protocol}
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
{more}",
        data.display()
    )
}

pub(super) fn client(port: u16, way: &Way) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", format!("127.0.0.1:{port}"));
    if let Way::Secured(listeners) = way {
        client
            .set("security.protocol", "sasl_ssl")
            .set("ssl.ca.location", listeners.tls().ca().display().to_string())
            .set("sasl.mechanism", "SCRAM-SHA-512")
            .set("sasl.username", BROKER)
            .set("sasl.password", dev("KAFKA_PASSWORD"));
    }
    client
}

/// Fails until the broker is ready. librdkafka's calls block, and wait for their whole time-out if there is no broker.
pub(super) async fn metadata(port: u16, client: ClientConfig) -> Result<()> {
    // Do not ask librdkafka while nothing listens: after each failure it waits longer before it connects again.
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    tokio::task::spawn_blocking(move || ask(client)).await?
}

/// The same of one that listens; it blocks.
pub(super) fn ask(mut client: ClientConfig) -> Result<()> {
    let (consumer, patience): (BaseConsumer, _) =
        (client.set("group.id", "readiness").create()?, Duration::from_secs(3));
    let metadata = consumer.fetch_metadata(None, patience)?;
    anyhow::ensure!(!metadata.brokers().is_empty(), "no broker is registered yet");
    // A new broker makes the topic of consumers' offsets when the first group asks. That takes seconds, so ask now.
    let mut any = TopicPartitionList::new();
    any.add_partition("readiness", 0);
    consumer.committed_offsets(any, patience)?;
    Ok(())
}
