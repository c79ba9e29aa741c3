use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use contract::{Kind, OutboxEntry, Partition, keys};
use sqlx::MySqlPool;
use stack::{Options, Stack, dev, wait_for};
use tests::Redis;
use tests::{GROUP, Topic};

use crate::{
    ids::{article, user},
    machine::{Cores, pin},
    server::Server,
};

const WARM: Duration = Duration::from_secs(30);
const XADDS_AT_ONCE: u64 = 2000;

/// The real stores, each partition warm and nothing else running.
pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) redis: Redis,
    pub(crate) mysql: MySqlPool,
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        let stack = Stack::start(Options::default().without_app().quiet()).await?;
        let redis = tests::redis(&stack.redis_url()).await?;
        let mysql = MySqlPool::connect(&stack.mysql_owner_url()).await?;
        let world = Self { stack, redis, mysql };
        world.warm().await?;
        world.stack.persister.terminate().await?;
        Ok(world)
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.mysql.close().await;
        self.stack.stop().await
    }

    /// Until this Redis serves every partition.
    pub(crate) async fn warm(&self) -> Result<()> {
        let mut redis = self.redis.clone();
        let name = server_name(&mut redis).await?;
        let mut ask = redis::pipe();
        for partition in Partition::all() {
            ask.hget(keys::warm(partition), "run_id");
        }
        wait_for("all partitions to be warm", WARM, async || {
            let markers: Vec<Option<String>> = ask.query_async(&mut redis).await?;
            Ok(markers.iter().all(|marker| marker.as_ref() == Some(&name)).then_some(()))
        })
        .await
    }

    /// The stores away from the core of the server under test.
    pub(crate) fn stores_aside(&self, cores: &Cores) -> Result<()> {
        for store in [&*self.stack.redis, &*self.stack.mariadb, &*self.stack.kafka] {
            pin(store, &cores.rest())?;
        }
        Ok(())
    }

    pub(crate) async fn fsync(&self, when: &str) -> Result<()> {
        let set = redis::cmd("CONFIG").arg("SET").arg("appendfsync").arg(when).to_owned();
        Ok(set.exec_async(&mut self.redis.clone()).await?)
    }

    /// Entries that the outboxes ever took: how many requests changed something.
    pub(crate) async fn changes(&self) -> Result<u64> {
        let mut ask = redis::pipe();
        for partition in Partition::all() {
            ask.cmd("XINFO").arg("STREAM").arg(keys::outbox(partition));
        }
        let streams: Vec<BTreeMap<String, redis::Value>> = ask.query_async(&mut self.redis.clone()).await?;
        let added = |stream: &BTreeMap<String, redis::Value>| -> Result<u64> {
            Ok(redis::from_redis_value_ref(stream.get("entries-added").context("XINFO tells entries-added")?)?)
        };
        streams.iter().map(added).sum()
    }

    /// Entries in the outboxes now.
    pub(crate) async fn waiting(&self) -> Result<u64> {
        let mut ask = redis::pipe();
        for partition in Partition::all() {
            ask.xlen(keys::outbox(partition));
        }
        let lengths: Vec<u64> = ask.query_async(&mut self.redis.clone()).await?;
        Ok(lengths.iter().sum())
    }

    /// Waits until everything that was acknowledged is a row.
    pub(crate) async fn applied(&self, patience: Duration) -> Result<()> {
        let topic = self.topic()?;
        wait_for("what was acknowledged to be rows", patience, async || {
            Ok((self.waiting().await? == 0 && topic.lag()? == 0).then_some(()))
        })
        .await
    }

    /// Forgets what nobody relays.
    pub(crate) async fn empty_outboxes(&self) -> Result<()> {
        let mut trim = redis::pipe();
        for partition in Partition::all() {
            trim.cmd("XTRIM").arg(keys::outbox(partition)).arg("MAXLEN").arg(0).ignore();
        }
        Ok(trim.exec_async(&mut self.redis.clone()).await?)
    }

    /// Appends likes to the outboxes as the script does, each by another user, over `articles` articles.
    pub(crate) async fn fill_outboxes(&self, count: u64, articles: u64) -> Result<()> {
        let mut redis = self.redis.clone();
        for first in (0..count).step_by(usize::try_from(XADDS_AT_ONCE)?) {
            let mut append = redis::pipe();
            for number in first..count.min(first + XADDS_AT_ONCE) {
                let (user, article) = (user(number), article(0, number % articles));
                append.cmd("XADD").arg(keys::outbox(Partition::of(article.number()))).arg("*");
                let at = jiff::Timestamp::now().as_millisecond().to_string();
                let (request_id, ip_hash) =
                    (format!("{number:032x}"), format!("{article:032x}", article = article.number().get()));
                let (user, article) = (user.to_string(), article.to_string());
                let values = [Kind::Like.name(), &user, &article, "1", "", "user", &at, &request_id, &ip_hash];
                append.arg(OutboxEntry::EVENT).arg(OutboxEntry::event_of(values));
                append.ignore();
            }
            append.exec_async(&mut redis).await?;
        }
        Ok(())
    }

    pub(crate) fn topic(&self) -> Result<Topic> {
        Topic::open(&self.stack.kafka_brokers(), GROUP)
    }

    /// The service, or another application that takes the same variables, on the core of the server under test.
    pub(crate) async fn app(&self, name: &str, manifest: &str, cores: &str) -> Result<Server> {
        self.app_under(&[], name, manifest, cores).await
    }

    /// The same, run by a command that takes a program and its arguments.
    pub(crate) async fn app_under(&self, by: &[&str], name: &str, manifest: &str, cores: &str) -> Result<Server> {
        let manifest = stack::root().join(manifest);
        ensure!(manifest.is_file(), "{} is missing", manifest.display());
        let arguments = ["up", "-f"].map(str::to_owned).into_iter().chain([manifest.display().to_string()]);
        let config =
            ["--runtime-config-file".to_owned(), stack::root().join("runtime-config.toml").display().to_string()];
        let program = match self.stack.app.kind() {
            "host" => stack::binary("host")?,
            _ => PathBuf::from("spin"),
        };
        let mut words = by.iter().map(PathBuf::from).chain([program]);
        let first = words.next().context("the program at least")?;
        let server = Server::new(name, &first, &self.stack.data().join(format!("{name}.log")), cores)?.arguments(words);
        let listen = ["--listen".to_owned(), server.address().to_owned()];
        let server = server.arguments(arguments.chain(listen).chain(config)).environment(self.variables());
        server.start("/healthz/toggle").await
    }

    /// What `spin.toml` asks for, with limits so wide that they hold nobody back.
    fn variables(&self) -> Vec<(String, String)> {
        let (redis, mysql) = (self.stack.redis_url(), self.stack.mariadb.handlers_url());
        let wide = "1000000,1000000";
        [
            ("redis_address", redis.as_str()),
            ("redis_url", &redis),
            ("mysql_address", &format!("mysql://127.0.0.1:{}", self.stack.mariadb.port())),
            ("mysql_url", &mysql),
            ("jwt_keys", &crate::ids::jwk_set()),
            ("jwt_issuers", dev("JWT_ISSUER")),
            ("jwt_audiences", dev("JWT_AUDIENCE")),
            ("visitor_key", dev("VISITOR_KEY")),
            ("view_token_key", dev("VIEW_TOKEN_KEY")),
            ("ip_hash_key", dev("IP_HASH_KEY")),
            ("outbox_max_length", "100000000"),
            ("toggle_user_limit", wide),
            ("toggle_address_limit", wide),
            ("view_visitor_limit", wide),
            ("view_address_limit", wide),
        ]
        .map(|(name, value)| (format!("SPIN_VARIABLE_{}", name.to_uppercase()), value.to_owned()))
        .into()
    }

    /// The baseline as its article designs it, serving; an error says why there is none.
    pub(crate) async fn seed(&self, cores: &str) -> Result<Server> {
        let log = self.stack.data().join("seed.log");
        let server = Server::new("seed", &seed_program()?, &log, cores)?;
        let listen = server.address().to_owned();
        crate::kafka::create_topic(&self.stack.kafka_brokers(), SEED_TOPIC).await?;
        let environment = [
            ("SEED_LISTEN", listen),
            ("SEED_REDIS_URL", self.stack.redis_url()),
            ("SEED_KAFKA_BROKERS", self.stack.kafka_brokers()),
            ("SEED_TOPIC", SEED_TOPIC.to_owned()),
            ("SEED_JWT_KEY", dev("JWT_KEY").to_owned()),
            ("SEED_JWT_ISSUER", dev("JWT_ISSUER").to_owned()),
            ("SEED_JWT_AUDIENCE", dev("JWT_AUDIENCE").to_owned()),
        ];
        // Its clients refuse a request now and then, and nothing tries again: that is the design.
        server.losing(1).arguments(["serve"]).environment(environment).start("/healthz").await
    }
}

pub(crate) const SEED_TOPIC: &str = "seed.likes";

/// Built by dev/bench where there is Go.
pub(crate) fn seed_program() -> Result<PathBuf> {
    stack::binary("seed").context("the Go design is not built: it needs Go 1.26 or later on PATH")
}

/// The server's name, as the markers have it.
pub(crate) async fn server_name(redis: &mut Redis) -> Result<String> {
    let info: String = redis::cmd("INFO").query_async(redis).await?;
    let word = |name: &str| {
        let word = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        word.map(|word| word.trim().to_owned()).with_context(|| format!("INFO tells {name}"))
    };
    Ok(format!("{}:{}", word("run_id")?, word("master_replid")?))
}

/// A number out of INFO: of several as name=number, the microseconds a call.
pub(crate) async fn info(redis: &mut Redis, section: &str, name: &str) -> Result<f64> {
    let info: String = redis::cmd("INFO").arg(section).query_async(redis).await?;
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = line.with_context(|| format!("INFO {section} tells no {name}"))?;
    let value = value.split(',').find_map(|part| part.strip_prefix("usec_per_call=")).unwrap_or(value);
    Ok(value.trim().parse()?)
}

/// A file of this run, in the stack's folder, which goes with it.
pub(crate) fn write(world: &World, name: &str, text: &str) -> Result<PathBuf> {
    let path = world.stack.data().join(name);
    fs::write(&path, text)?;
    Ok(path)
}
