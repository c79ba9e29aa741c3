//! The stores of a test, Redis and MySQL of its own and a topic in a Kafka that all share, and the persister's commands on them.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use contract::{ArticleId, Cause, Change, Event, Kind, OutboxEntry, Partition, Truth, Version, keys};
use jiff::Timestamp;
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
    producer::{FutureProducer, FutureRecord},
};
use sqlx::MySqlPool;
use stack::{App, Kafka, MariaDb, Persister, Proxy, Redis, Service, wait_for};
use tempfile::TempDir;
use tokio::{
    process::Child,
    sync::{Semaphore, SemaphorePermit},
};

pub(crate) const LIMIT: Duration = Duration::from_mins(1);

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// So many tests at a time: each starts servers of its own, and a machine has only so much memory. Most of a test is waiting.
static TURNS: Semaphore = Semaphore::const_new(4);

pub(crate) struct World {
    pub(crate) redis: Redis,
    pub(crate) mysql: MySqlPool,
    /// Kafka's address.
    brokers: String,
    /// Topic of events and dead-letter topic.
    pub(crate) topic: String,
    pub(crate) dlq_topic: String,
    persister: Persister,
    pub(crate) mariadb: MariaDb,
    folder: TempDir,
    _turn: SemaphorePermit<'static>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let world = Self::empty(async |folder| MariaDb::start_in(folder).await).await;
        world.persister.migrate(&world.mariadb.owner_url(), None).await.unwrap();
        world
    }

    /// With a way to Kafka that can be held up, beside the direct one.
    pub(crate) async fn with_way_to_kafka() -> (Self, (Kafka, Proxy)) {
        let mysql = async |folder: &Path| MariaDb::start_in(folder).await;
        let (world, way) = Self::on(mysql, async |folder| {
            let way = Kafka::start_behind_proxy(folder).await?;
            Ok((way.0.brokers(), way))
        })
        .await;
        world.persister.migrate(&world.mariadb.owner_url(), None).await.unwrap();
        (world, way)
    }

    /// Stores that `migrate` has not seen.
    pub(crate) async fn empty(mysql: impl AsyncFnOnce(&Path) -> anyhow::Result<MariaDb>) -> Self {
        Self::on(mysql, async |_| Ok((Kafka::shared().await?.brokers(), ()))).await.0
    }

    async fn on<W>(
        mysql: impl AsyncFnOnce(&Path) -> anyhow::Result<MariaDb>,
        kafka: impl AsyncFnOnce(&Path) -> anyhow::Result<(String, W)>,
    ) -> (Self, W) {
        let turn = TURNS.acquire().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (redis, mariadb, (brokers, way)) =
            tokio::try_join!(Redis::start_in(folder.path()), mysql(folder.path()), kafka(folder.path())).unwrap();
        let topic = format!("world-{}.events", WORLDS.fetch_add(1, Ordering::Relaxed));
        let persister = Persister::new(
            folder.path(),
            &redis.persister_url(),
            &mariadb.persister_url(),
            &brokers,
            &BTreeMap::from([("INTERACTION_TOPIC".to_owned(), topic.clone())]),
        )
        .unwrap();
        let mysql = MySqlPool::connect(&mariadb.owner_url()).await.unwrap();
        let dlq_topic = format!("{topic}.dlq");
        (Self { redis, mysql, brokers, topic, dlq_topic, persister, mariadb, folder, _turn: turn }, way)
    }

    /// Starts a subcommand; it dies with the value.
    pub(crate) fn start(&self, command: &str) -> Child {
        self.persister.command(&[command]).unwrap().spawn().unwrap()
    }

    /// MySQL for the persister, by a way that can be held up.
    pub(crate) fn mysql_by(&self, way: &Proxy) -> String {
        let port = |port: u16| format!(":{port}/");
        self.mariadb.persister_url().replace(&port(self.mariadb.port()), &port(way.port()))
    }

    /// The components on these stores, not started yet.
    pub(crate) fn app(&self) -> App {
        let (redis, mysql) = (self.redis.components_url(), self.mariadb.handlers_url());
        App::new(self.folder.path(), &redis, &mysql, &BTreeMap::new()).unwrap()
    }

    /// A job that is not started yet, and can be paused.
    pub(crate) fn another(&self, job: &str) -> Service {
        self.persister.another(job, job).unwrap()
    }

    /// A subcommand that is not started yet; it dies with what is started of it.
    pub(crate) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        self.persister.command(arguments).unwrap()
    }

    /// Runs a subcommand to its end: its exit code and what it printed.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.persister.command(arguments).unwrap().output().await.unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        println!("{arguments:?}: {}\n{}\n{err}", output.status, out.chars().take(2000).collect::<String>());
        (output.status.code().unwrap(), out)
    }

    /// The same of one that must succeed and prints JSON, an object a line.
    pub(crate) async fn ask_json(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        let (code, out) = self.ask(arguments).await;
        assert_eq!(code, 0);
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn kafka_client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers);
        client
    }

    /// A consumer of the test's own.
    pub(crate) fn kafka_reader(&self) -> ClientConfig {
        let mut client = self.kafka_client();
        client.set("group.id", format!("{}.test", self.topic));
        client
    }

    pub(crate) fn has_topic(&self, name: &str) -> bool {
        let consumer: BaseConsumer = self.kafka_client().create().unwrap();
        // All topics: a broker may create one that is asked for.
        let metadata = consumer.fetch_metadata(None, LIMIT).unwrap();
        metadata.topics().iter().any(|topic| topic.name() == name)
    }

    pub(crate) fn kafka_producer(&self) -> FutureProducer {
        // As large as the broker allows.
        self.kafka_client().set("message.max.bytes", "1048588").create().unwrap()
    }

    pub(crate) async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.redis.url()).unwrap();
        client.get_multiplexed_async_connection_with_config(&stack::patient()).await.unwrap()
    }

    /// The name that the markers have of the server that answers now.
    pub(crate) async fn server(&self) -> redis::RedisResult<String> {
        let info: String = redis::cmd("INFO").query_async(&mut self.redis().await).await?;
        let word = |name| info.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        Ok([word("run_id:"), word("master_replid:")].join(":"))
    }

    /// Writes records to the event topic, all of an article to one partition.
    pub(crate) async fn publish(&self, records: impl IntoIterator<Item = (ArticleId, Vec<u8>)>) {
        let producer = self.kafka_producer();
        let mut deliveries = Vec::new();
        for (article, bytes) in records {
            let to = i32::from(Partition::of(article.number()).get()) % 16;
            let key = article.to_string();
            let record = FutureRecord::to(&self.topic).partition(to).key(&key).payload(&bytes);
            deliveries.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
        }
        for delivery in deliveries {
            delivery.await.unwrap().map_err(|(error, _)| error).unwrap();
        }
    }

    /// Waits until the consumers have committed all that is in the event topic.
    pub(crate) async fn consumed(&self) {
        let group = format!("{}.persister", self.topic.strip_suffix(".events").unwrap());
        let consumer: BaseConsumer = self.kafka_client().set("group.id", group).create().unwrap();
        wait_for("the consumers to catch up", LIMIT, async || {
            for partition in 0..16 {
                let mut asked = rdkafka::TopicPartitionList::new();
                asked.add_partition(&self.topic, partition);
                // A topic that was just created may have no leader yet.
                let Ok((first, next)) = consumer.fetch_watermarks(&self.topic, partition, LIMIT) else {
                    return Ok(None);
                };
                let committed = consumer.committed_offsets(asked, LIMIT)?.elements()[0].offset().to_raw();
                if next > first && committed.is_none_or(|committed| committed < next) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
        .unwrap();
    }

    /// The payloads of a topic, from its beginning, once there are so many.
    pub(crate) async fn records(&self, topic: &str, count: usize) -> Vec<rdkafka::message::OwnedMessage> {
        let consumer: BaseConsumer = self.kafka_reader().set("auto.offset.reset", "earliest").create().unwrap();
        consumer.subscribe(&[topic]).unwrap();
        let mut found = Vec::new();
        wait_for("the records", LIMIT, async || {
            while let Some(message) = consumer.poll(Duration::from_millis(10)) {
                found.push(message?.detach());
            }
            Ok((found.len() >= count).then_some(()))
        })
        .await
        .unwrap();
        found
    }

    /// Appends changes of kinds to the outboxes of Redis, as the script does.
    pub(crate) async fn append(&self, events: &[Event]) {
        let mut redis = self.redis().await;
        for events in events.chunks(1000) {
            let mut append = redis::pipe();
            for event in events {
                let Change::Switch(kind, on) = event.change else { panic!("{event:?}") };
                let status = if on { "1" } else { "0" };
                let user = event.user.as_ref().unwrap().to_string();
                let article = event.article.to_string();
                let at = event.occurred_at.as_millisecond().to_string();
                append.cmd("XADD").arg(keys::outbox(Partition::of(event.article.number()))).arg("*");
                let values = [kind.name(), &user, &article, status, "", "user", &at, "", ""];
                append.arg(OutboxEntry::EVENT).arg(OutboxEntry::event_of(values));
            }
            append.exec_async(&mut redis).await.unwrap();
        }
    }

    /// Waits until at most so many entries are in the outboxes.
    pub(crate) async fn outboxes_at_most(&self, count: u64) {
        let mut redis = self.redis().await;
        wait_for("the relay", LIMIT, async || {
            let mut ask = redis::pipe();
            for partition in Partition::all() {
                ask.cmd("XLEN").arg(keys::outbox(partition));
            }
            let lengths: Vec<u64> = ask.query_async(&mut redis).await?;
            Ok((lengths.iter().sum::<u64>() <= count).then_some(()))
        })
        .await
        .unwrap();
    }

    pub(crate) async fn outboxes_empty(&self) {
        self.outboxes_at_most(0).await;
    }

    /// Waits until MySQL's outbox is empty: all of it is in Kafka and in Redis.
    pub(crate) async fn mysql_outbox_empty(&self) {
        wait_for("the relay of MySQL's outbox", LIMIT, async || {
            let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox").fetch_one(&self.mysql).await?;
            Ok((left == 0).then_some(()))
        })
        .await
        .unwrap();
    }

    /// Waits until each store has all that the others have.
    pub(crate) async fn settled(&self) {
        self.outboxes_empty().await;
        self.mysql_outbox_empty().await;
        self.consumed().await;
    }
}

/// Sends a signal, `TERM` or `INT`.
pub(crate) fn signal(name: &str, child: &Child) {
    let sent = std::process::Command::new("kill").args(["-s", name, &child.id().unwrap().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// The place of a kind in the table, for articles that are each kind's own: kinds may exclude each other.
pub(crate) fn place_of(kind: Kind) -> i64 {
    i64::try_from(Kind::ALL.iter().position(|of| *of == kind).unwrap()).unwrap()
}

/// A kind that this store decides.
pub(crate) fn any_of(truth: Truth) -> Kind {
    Kind::of(truth).next().unwrap()
}

/// The event number `place` of a test, as Redis makes them: few users and articles, so that changes meet.
pub(crate) fn event(place: u64) -> Event {
    let mixed = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17;
    let id = |of: u64| i64::try_from(1 + of).unwrap();
    let kinds: Vec<Kind> = Kind::of(Truth::Redis).collect();
    let kind = kinds[usize::try_from(mixed / 31_500).unwrap() % kinds.len()];
    let on = !mixed.is_multiple_of(3);
    let change = if mixed.is_multiple_of(7) { Change::Read(place) } else { Change::Switch(kind, on) };
    Event {
        version: Version { ms: 1_763_800_000_000 + place / 4, seq: place % 4 },
        user: Some(id(mixed / 21 % 50).to_string().parse().unwrap()),
        article: id(mixed / 1050 % 30).to_string().parse().unwrap(),
        change,
        cause: Cause::User,
        occurred_at: Timestamp::from_millisecond(1_763_800_000_000).unwrap(),
        request_id: String::new(),
        ip_hash: String::new(),
    }
}

pub(crate) fn record(event: &Event) -> (ArticleId, Vec<u8>) {
    (event.article.clone(), event.to_json())
}
