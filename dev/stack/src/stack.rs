//! All parts together.

use crate::folder::Folder;
use crate::network::Addresses;
use crate::options::Part;
use crate::{
    App, Cluster, Kafka, MariaDb, Network, Options, Persister, Proxy, Redis, Service, Tls, dev, ports, wait_for,
};
use anyhow::{Context, Result, anyhow};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const READY_LIMIT: Duration = Duration::from_mins(3);

/// The running system. Parts stop in this order when it is dropped, the folder last.
pub struct Stack {
    /// The Spin application.
    pub app: App,
    /// The persister.
    pub persister: Persister,
    /// Kafka.
    pub kafka: Kafka,
    /// MariaDB or MySQL.
    pub mariadb: MariaDb,
    /// Redis; of a cluster, its first server.
    pub redis: Arc<Redis>,
    cluster: Option<Cluster>,
    network: Option<Network>,
    tls: Option<Tls>,
    folder: Folder,
}

impl Stack {
    /// Starts all parts and waits until the system answers and serves every partition.
    pub async fn start(options: Options) -> Result<Self> {
        let progress = Progress { start: Instant::now(), quiet: options.quiet };
        let folder = Folder::make()?;
        let path = folder.path();
        progress.line(format_args!("data and logs in {}", path.display()));

        let tls = if options.secured { Some(Tls::new(&path.join("tls"))?) } else { None };
        let (redis, mariadb, kafka, network) = stores(path, &options, tls.as_ref()).await?;
        let cluster = options.clustered.clone().map(|masters| Cluster::new(path, masters)).transpose()?;
        let redis = cluster.as_ref().map_or_else(|| Arc::new(redis), |cluster| Arc::clone(&cluster.nodes()[0]));
        let to = Addresses::of(&redis, &mariadb, &kafka, network.as_ref());
        let mut variables = options.variables.clone();
        if cluster.is_some() {
            variables.insert("redis_address".to_owned(), "redis://127.0.0.1:*".to_owned());
        }
        let trust: Vec<_> = tls.iter().flat_map(Tls::environment).collect();
        let app = App::new(path, &to.redis_components, &to.mysql_handlers, &variables)?.with_environment(trust.clone());
        let mut persister_env = options.persister_env.clone();
        persister_env.extend(trust);
        if options.secured {
            persister_env.extend(Kafka::credentials(path)?);
        }
        let persister = Persister::new(path, &to.redis_persister, &to.mysql_persister, &to.kafka, &persister_env)?;
        let stack = Self { app, persister, kafka, mariadb, redis, cluster, network, tls, folder };

        // The application compiles its components meanwhile; it asks the stores only when it is asked.
        let app = async {
            if options.leaves_out(Part::App) { Ok(()) } else { progress.start(&stack.app, stack.app.kind()).await }
        };
        tokio::try_join!(stack.start_stores(&options, &progress, &to.mysql_owner), app)?;
        if !options.leaves_out(Part::App) {
            stack.wait_serving(!options.leaves_out(Part::Persister)).await?;
            progress.line(format_args!("ready: {}", stack.http_url()));
        }
        Ok(stack)
    }

    async fn start_stores(&self, options: &Options, progress: &Progress, migrate_as: &str) -> Result<()> {
        if self.tls.is_some() {
            // `migrate` needs its rights.
            self.kafka.start().await?;
            self.kafka.grant()?;
        }
        tokio::try_join!(
            async {
                let Some(cluster) = &self.cluster else { return progress.start(&self.redis, "redis").await };
                cluster.start().await?;
                progress.line("redis runs, a cluster");
                Ok(())
            },
            async {
                progress.start(&self.mariadb, "mysql").await?;
                self.persister.migrate(migrate_as, self.tls.as_ref().map(|_| Kafka::migrator())).await?;
                progress.line("database migrated");
                anyhow::Ok(())
            },
            progress.start(&self.kafka, "kafka"),
        )?;
        if !options.leaves_out(Part::Persister) {
            progress.start(&self.persister, "persister").await?;
        }
        Ok(())
    }

    /// Until the system answers and, with `warm`, serves every partition from Redis.
    pub async fn wait_answers(&self, warm: bool) -> Result<()> {
        wait_for("the system to serve", READY_LIMIT, async || {
            Ok(self.serves(warm).await.unwrap_or(false).then_some(()))
        })
        .await
    }

    /// The same of a stack that starts: a part that stops ends the wait.
    async fn wait_serving(&self, warm: bool) -> Result<()> {
        let waited = wait_for("the system to serve", READY_LIMIT, async || {
            for service in [&*self.app, &*self.redis, &*self.mariadb, &*self.kafka, &*self.persister] {
                let expected = warm || service.name() != "persister";
                anyhow::ensure!(
                    !expected || service.is_running(),
                    "{} stopped:\n{}",
                    service.name(),
                    service.log_tail(25)
                );
            }
            let serves = self.serves(warm).await;
            Ok(serves.unwrap_or(false).then_some(()))
        });
        waited.await.map_err(|error| {
            let logs = [&*self.persister, &*self.app].map(|part| format!("\n{}:\n{}", part.name(), part.log_tail(15)));
            anyhow!("{error}{}", logs.concat())
        })
    }

    async fn serves(&self, warm: bool) -> Result<bool> {
        let url = self.http_url();
        reqwest::get(format!("{url}/readyz")).await?.error_for_status()?;
        if !warm {
            return Ok(true);
        }
        // Partitions are a hash of the id: a thousand ids meet each of the 128, at 100 a request.
        for hundred in 0..10 {
            let ids: Vec<String> = (1..=100).map(|id| (hundred * 100 + id).to_string()).collect();
            let answer = reqwest::get(format!("{url}/v1/interactions?article_ids={}", ids.join(","))).await?;
            let answer: serde_json::Value = answer.error_for_status()?.json().await?;
            let items = answer["items"].as_array().context("no items")?;
            if items.iter().any(|item| item["stale"] != false) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stops all parts in good order, those that depend on others first.
    pub async fn stop(&self) -> Result<()> {
        self.app.terminate().await?;
        self.persister.terminate().await?;
        tokio::try_join!(self.kafka.terminate(), self.mariadb.terminate(), self.redis.terminate())?;
        for node in self.cluster.iter().flat_map(Cluster::nodes) {
            node.terminate().await?;
        }
        Ok(())
    }

    /// `http://127.0.0.1:<port>`
    #[must_use]
    pub fn http_url(&self) -> String {
        self.app.url().to_owned()
    }

    /// `redis://127.0.0.1:<port>`; of a cluster, its first server's.
    #[must_use]
    pub fn redis_url(&self) -> String {
        self.redis.url()
    }

    /// The servers of the cluster.
    ///
    /// # Panics
    /// Without `Options::clustered`.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("the stack was not started with Options::clustered")
    }

    /// The database as a user who may read every table.
    #[must_use]
    pub fn mysql_url(&self) -> String {
        self.mariadb.reader_url()
    }

    /// The database as its owner.
    #[must_use]
    pub fn mysql_owner_url(&self) -> String {
        self.mariadb.owner_url()
    }

    /// `127.0.0.1:<port>`
    #[must_use]
    pub fn kafka_brokers(&self) -> String {
        self.kafka.brokers()
    }

    /// The ways to the stores, where they were asked for.
    ///
    /// # Panics
    /// Without `Options::breakable`.
    #[must_use]
    pub fn network(&self) -> &Network {
        self.network.as_ref().expect("the stack was not started with Options::breakable")
    }

    /// The authority that the stores' certificates are of.
    ///
    /// # Panics
    /// Without `Options::secured`.
    #[must_use]
    pub fn tls(&self) -> &Tls {
        self.tls.as_ref().expect("the stack was not started with Options::secured")
    }

    /// The folder of data and logs.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.folder.path()
    }

    /// What a tool needs to talk to this stack, as `KEY=value` lines.
    #[must_use]
    pub fn env_lines(&self) -> String {
        let lines = [
            ("HTTP_URL", self.http_url()),
            ("REDIS_URL", self.redis_url()),
            ("MYSQL_URL", self.mysql_url()),
            ("KAFKA_BROKERS", self.kafka_brokers()),
            ("JWT_KEY", dev("JWT_KEY").to_owned()),
            ("JWT_ISSUER", dev("JWT_ISSUER").to_owned()),
            ("JWT_AUDIENCE", dev("JWT_AUDIENCE").to_owned()),
        ];
        lines.map(|(key, value)| format!("{key}={value}\n")).concat()
    }
}

/// Prepared side by side: a first MariaDB or Kafka takes seconds to make its data folder.
async fn stores(
    folder: &Path,
    options: &Options,
    tls: Option<&Tls>,
) -> Result<(Redis, MariaDb, Kafka, Option<Network>)> {
    if options.compose {
        return Ok((Redis::in_compose(folder)?, MariaDb::in_compose(folder)?, Kafka::in_compose(folder)?, None));
    }
    let listener = ports::free()?;
    let proxy = if options.breakable { Some(Proxy::to(listener)?) } else { None };
    let behind = proxy.as_ref().map(Proxy::port);
    let (for_mariadb, for_kafka) = ((folder.to_owned(), tls.cloned()), (folder.to_owned(), tls.cloned()));
    let arguments = options.mysql.clone();
    let mariadb =
        tokio::task::spawn_blocking(move || MariaDb::with(&for_mariadb.0, for_mariadb.1.as_ref(), &arguments));
    let kafka = tokio::task::spawn_blocking(move || match (behind, &for_kafka.1) {
        (Some(proxy), _) => Kafka::behind_proxy(&for_kafka.0, listener, proxy),
        (None, Some(tls)) => Kafka::secured(&for_kafka.0, tls),
        (None, None) => Kafka::new(&for_kafka.0),
    });
    let redis = if let Some(tls) = tls { Redis::secured(folder, tls)? } else { Redis::new(folder)? };
    let (mariadb, kafka) = tokio::try_join!(mariadb, kafka)?;
    let (mariadb, kafka) = (mariadb?, kafka?);
    let Some(proxy) = proxy else { return Ok((redis, mariadb, kafka, None)) };
    let redis = redis.with_clock(folder)?;
    let network = Network::to(&redis, &mariadb, proxy)?;
    Ok((redis, mariadb, kafka, Some(network)))
}

/// One line a step, with the time since the beginning.
struct Progress {
    start: Instant,
    quiet: bool,
}

impl Progress {
    fn line(&self, text: impl Display) {
        if !self.quiet {
            eprintln!("{:6.1} s  {text}", self.start.elapsed().as_secs_f64());
        }
    }

    async fn start(&self, service: &Service, name: &str) -> Result<()> {
        service.start().await?;
        self.line(format_args!("{name} runs"));
        Ok(())
    }
}
