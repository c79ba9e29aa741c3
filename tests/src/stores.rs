use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result};
use contract::{ArticleNumber, Event, Kind, Partition, SESSION, keys};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};
use redis::AsyncCommands;
use sqlx::{Executor, MySqlPool, mysql::MySqlPoolOptions};

use crate::{Pair, Redis, id, site::numbered};

/// The partition of an article, by number.
#[must_use]
pub fn partition_of(article: i64) -> Partition {
    Partition::of(id(article))
}

/// Who has a kind on for an article by Redis, out of all the sets that they are spread over.
pub async fn members(redis: &mut Redis, kind: Kind, article: ArticleNumber) -> Result<BTreeSet<i64>> {
    let members = keys::members(kind, article);
    let sets: Option<i64> = redis.get(format!("{members}:n")).await?;
    let mut all = BTreeSet::new();
    for set in 0..sets.unwrap_or(1) {
        let key = if set == 0 { members.clone() } else { format!("{members}:{set}") };
        let some: Vec<i64> = redis.smembers(key).await?;
        for user in some {
            anyhow::ensure!(
                all.insert(numbered(user)),
                "user {user} stands in two sets of {kind} of article {article}"
            );
        }
    }
    Ok(all)
}

/// MySQL as the service has it, whatever the server's defaults are.
pub async fn mysql(url: &str) -> Result<MySqlPool> {
    let pool = MySqlPoolOptions::new().after_connect(|connection, _| {
        Box::pin(async move {
            connection.execute(SESSION).await?;
            Ok(())
        })
    });
    Ok(pool.connect(url).await?)
}

/// Who has which kind on for what by MySQL.
pub async fn interactions(mysql: &MySqlPool) -> Result<BTreeMap<Kind, BTreeSet<Pair>>> {
    let mut all: BTreeMap<_, _> = Kind::ALL.iter().map(|kind| (*kind, BTreeSet::new())).collect();
    let sql = "SELECT kind, user_id, article_id FROM interaction WHERE status = 1";
    for (code, user, article) in sqlx::query_as::<_, (u8, i64, i64)>(sql).fetch_all(mysql).await? {
        all.entry(Kind::from_code(code).with_context(|| format!("kind {code}"))?)
            .or_default()
            .insert((numbered(user), numbered(article)));
    }
    Ok(all)
}

/// How many users have a kind on for an article by MySQL's own count.
pub async fn counts(mysql: &MySqlPool) -> Result<BTreeMap<(Kind, i64), i64>> {
    let rows: Vec<(u8, i64, i64)> =
        sqlx::query_as("SELECT kind, article_id, count FROM interaction_count").fetch_all(mysql).await?;
    let count = |(code, article, count)| Ok(((Kind::from_code(code).context("a kind")?, numbered(article)), count));
    rows.into_iter().map(count).collect()
}

/// Pairs of numbers from MySQL.
pub async fn rows(mysql: &MySqlPool, sql: &'static str) -> Result<Vec<(i64, i64)>> {
    Ok(sqlx::query_as(sql).fetch_all(mysql).await?)
}

/// The topic of events, as an operator's tool sees it.
pub struct Topic {
    consumer: BaseConsumer,
    name: String,
}

impl Topic {
    /// In the name of the persister's consumer group, without joining it.
    pub fn open(brokers: &str, group: &str) -> Result<Self> {
        let consumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "false")
            .create()?;
        Ok(Self { consumer, name: "interaction.events".to_owned() })
    }

    fn ends(&self) -> Result<Vec<(i32, i64)>> {
        let timeout = Duration::from_secs(10);
        let metadata = self.consumer.fetch_metadata(Some(&self.name), timeout)?;
        let topic = metadata.topics().first().context("the topic is there")?;
        let end = |partition: i32| Ok((partition, self.consumer.fetch_watermarks(&self.name, partition, timeout)?.1));
        topic.partitions().iter().map(|partition| end(partition.id())).collect()
    }

    /// How many records the group has not committed yet.
    pub fn lag(&self) -> Result<i64> {
        let mut list = TopicPartitionList::new();
        let ends = self.ends()?;
        for (partition, _) in &ends {
            list.add_partition(&self.name, *partition);
        }
        let committed = self.consumer.committed_offsets(list, Duration::from_secs(10))?;
        let lag = |(partition, end): &(i32, i64)| {
            let element = committed.find_partition(&self.name, *partition).context("asked for it")?;
            Ok(end - if let Offset::Offset(offset) = element.offset() { offset } else { 0 })
        };
        ends.iter().map(lag).sum()
    }

    /// Makes the group begin again at the first record. It must have no member.
    pub fn rewind(&self) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for (partition, _) in self.ends()? {
            list.add_partition_offset(&self.name, partition, Offset::Offset(0))?;
        }
        Ok(self.consumer.commit(&list, CommitMode::Sync)?)
    }

    /// Every record from the first to the last of now, parsed.
    pub fn events(&self) -> Result<Vec<Event>> {
        let mut list = TopicPartitionList::new();
        let ends = self.ends()?;
        for (partition, _) in &ends {
            list.add_partition_offset(&self.name, *partition, Offset::Beginning)?;
        }
        self.consumer.assign(&list)?;
        let mut missing: i64 = ends.iter().map(|(_, end)| end).sum();
        let mut events = vec![];
        while missing > 0 {
            let record = self.consumer.poll(Duration::from_secs(10)).context("the topic goes on to its end")??;
            events.push(Event::from_json(record.payload().context("an event")?)?);
            missing -= 1;
        }
        self.consumer.unassign()?;
        Ok(events)
    }
}
