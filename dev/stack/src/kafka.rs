//! Apache Kafka, one node that is broker and controller, from its own jars.

mod classes;
mod jvm;
mod listeners;
mod settings;

use self::jvm::java;
use self::listeners::{Listeners, MAIN, MIGRATOR, TOKEN_AUDIENCE, USER};
use self::settings::{Way, client, format, metadata, server_properties};
use crate::folder::Folder;
use crate::{Proxy, Service, Tls, dev, paths, ports};
use anyhow::{Context, Result};
use futures::FutureExt;
use rdkafka::config::ClientConfig;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::sync::OnceCell;

/// A broker without topics; it creates none by itself.
pub struct Kafka {
    service: Service,
    port: u16,
    client: ClientConfig,
    listeners: Option<Listeners>,
}

/// The commands that give the users of the service their rights.
const RIGHTS: &str = include_str!("../../../docs/rights/kafka.sh");
impl Kafka {
    /// A broker with its data and log below `folder`, not started yet.
    pub fn new(folder: &Path) -> Result<Self> {
        Self::with(folder, &Way::Open)
    }

    /// A broker that can also be reached through a proxy. A broker tells its clients where to connect, so the proxy leads to a
    /// listener of its own, which advertises the proxy's address.
    pub(crate) fn behind_proxy(folder: &Path, listener: u16, proxy: u16) -> Result<Self> {
        Self::with(folder, &Way::Proxied { listener, proxy })
    }

    /// A broker whose main address accepts only TLS with a user. It has a [`Kafka::listener`] for every other way.
    pub(crate) fn secured(folder: &Path, tls: &Tls) -> Result<Self> {
        Self::with(folder, &Way::Secured(Listeners::new(folder, tls)?))
    }

    fn with(folder: &Path, way: &Way) -> Result<Self> {
        let (data, port, controller) = (folder.join("kafka"), ports::free()?, ports::free()?);
        let libs = paths::cache()?.join("kafka/libs");
        let listeners = if let Way::Secured(listeners) = way { Some(listeners.clone()) } else { None };
        if listeners.is_some() {
            // Formatting writes the first users into the folder, so other brokers cannot share it.
            let users = Listeners::scram_users();
            let arguments: Vec<&str> = users.iter().flat_map(|user| ["--add-scram", user]).collect();
            format(&libs, &data, &arguments)?;
        } else {
            // Formatting writes no port and no folder, so every broker of this version can start from one copy.
            paths::template(&version(&libs)?, &data, |data| format(&libs, data, &[]))?;
        }
        let properties = folder.join("kafka.properties");
        fs::write(&properties, server_properties(&data, port, controller, way))?;
        let client = client(port, way);
        let probe = client.clone();
        let service =
            Service::new("kafka", "java", folder.join("kafka.log"), move || metadata(port, probe.clone()).boxed())
                .args(listeners.iter().flat_map(Listeners::java))
                .args([classes::loaded(&libs, &version(&libs)?)?])
                .args(java(&libs))
                .args(["kafka.Kafka".as_ref(), properties.as_os_str()]);
        Ok(Self { service, port, client, listeners })
    }

    /// A broker, started and answering.
    pub async fn start_in(folder: &Path) -> Result<Self> {
        let kafka = Self::new(folder)?;
        kafka.start().await?;
        Ok(kafka)
    }

    /// The one broker of this process, started and answering. Whoever asks for it uses topics and groups of their own. It ends
    /// with the process.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<(Folder, Kafka)> = OnceCell::const_new();
        let start = async || {
            let folder = Folder::make()?;
            let kafka = Self::start_in(folder.path()).await?;
            anyhow::Ok((folder, kafka))
        };
        Ok(&SHARED.get_or_try_init(start).await?.1)
    }

    /// A broker, started and answering, and a proxy to it that can hold the traffic.
    pub async fn start_behind_proxy(folder: &Path) -> Result<(Self, Proxy)> {
        let listener = ports::free()?;
        let proxy = Proxy::to(listener)?;
        let kafka = Self::behind_proxy(folder, listener, proxy.port())?;
        kafka.start().await?;
        Ok((kafka, proxy))
    }

    /// One that Docker Compose runs.
    pub(crate) fn in_compose(folder: &Path) -> Result<Self> {
        let port = ports::free()?;
        let client = client(port, &Way::Open);
        let probe = client.clone();
        let log = folder.join("kafka.log");
        let service = Service::new("kafka", "docker", log, move || metadata(port, probe.clone()).boxed())
            .args(crate::compose::up("kafka", port))
            .envs([("KAFKA_PORT", port.to_string())])
            .ends_its_children();
        Ok(Self { service, port, client, listeners: None })
    }

    /// `127.0.0.1:<port>`
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address of a listener of a secured broker: `PLAINTEXT`, `SSL`, `MUTUAL` (TLS with a client's certificate),
    /// `SASL_PLAINTEXT` or `SASL_SSL`. The SASL listeners accept the user of dev.env by PLAIN and SCRAM, and tokens of the dev
    /// key by OAUTHBEARER.
    ///
    /// # Panics
    /// If there is no such listener.
    #[must_use]
    pub fn listener(&self, name: &str) -> String {
        let listeners = self.listeners.as_ref().expect("the broker is secured");
        let port = if name == MAIN { Some(self.port) } else { listeners.port(name) };
        format!("127.0.0.1:{}", port.expect("a listener of that name"))
    }

    /// Gives the users of a secured broker exactly the rights that the documents name.
    pub(crate) fn grant(&self) -> Result<()> {
        let libs = paths::cache()?.join("kafka/libs");
        for line in RIGHTS.lines() {
            let arguments = line.strip_prefix("kafka-acls.sh ").context("a command of Kafka's")?;
            let arguments = arguments.replace("\"$BROKERS\"", &self.listener("PLAINTEXT"));
            let mut command = Command::new("java");
            command.args(java(&libs)).arg("org.apache.kafka.tools.AclCommand").args(arguments.split_whitespace());
            paths::run(&mut command)?;
        }
        Ok(())
    }

    /// The persister's user of a secured broker.
    #[must_use]
    pub fn user() -> &'static str {
        USER
    }

    /// The audience of the tokens that a secured broker accepts.
    #[must_use]
    pub fn token_audience() -> &'static str {
        TOKEN_AUDIENCE
    }

    /// The environment of `persister migrate` for a secured broker, beside the persister's.
    pub(crate) fn migrator() -> (&'static str, &'static str) {
        ("INTERACTION_KAFKA_USERNAME", MIGRATOR)
    }

    /// The persister's environment for a secured broker. The password is in a file below `folder`.
    pub(crate) fn credentials(folder: &Path) -> Result<[(String, String); 3]> {
        let password = folder.join("kafka.password");
        fs::write(&password, format!("{}\n", dev("KAFKA_PASSWORD")))?;
        Ok([
            ("INTERACTION_KAFKA_SECURITY", "sasl_ssl".to_owned()),
            ("INTERACTION_KAFKA_USERNAME", USER.to_owned()),
            ("INTERACTION_KAFKA_PASSWORD_FILE", password.display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)))
    }

    /// The configuration that a client needs.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        self.client.clone()
    }
}

impl Deref for Kafka {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// Name of the broker's jar without its ending: `kafka_2.13-4.1.0`.
fn version(libs: &Path) -> Result<String> {
    let entries = fs::read_dir(libs).with_context(|| format!("{} is missing: run dev/setup", libs.display()))?;
    let mut jars = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let jar: Option<PathBuf> = jars.find(|jar| jar.display().to_string().contains("/kafka_2."));
    jar.and_then(|jar| Some(jar.file_stem()?.display().to_string())).context("no Kafka jar: run dev/setup")
}
