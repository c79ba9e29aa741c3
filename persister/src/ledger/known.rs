//! What is known of each partition outside Redis.

use std::collections::HashMap;

use contract::{Event, Partition, Version};
use rdkafka::Message as _;
use sqlx::{AssertSqlSafe, MySqlPool, query_as, raw_sql};

use super::{batch::outbox_of, marks::Marks, statements};
use crate::store::{Store, StoreError, log::Log, mysql::retried, progress::Mark};

/// What is known of one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Knowledge {
    /// The highest epoch that was assigned.
    pub(crate) epoch: u64,
    /// The highest version that MySQL has applied, that Kafka has, or that `warm` has seen acknowledged and perhaps not
    /// relayed yet. A Redis whose outbox ends below it has lost something.
    pub(crate) version: Version,
    /// How many writes of projections Redis has had. A Redis with fewer has lost some.
    pub(crate) writes: u64,
}

/// What is known of every partition.
#[derive(Debug)]
pub(crate) struct Known(HashMap<Partition, Knowledge>);

/// The events that Kafka has and MySQL has not applied.
#[derive(Debug, Default)]
pub(crate) struct Unapplied {
    /// By partition of Redis: the highest version among them, and where the last of them are in the topic.
    of: HashMap<Partition, (Version, Mark)>,
    /// Where the last records that are no events are. Nobody knows whose they would have been.
    unreadable: Mark,
}

impl Unapplied {
    /// Reads the log to its end. A record that is no event has no version; the consumer puts it into the dead-letter
    /// queue.
    pub(crate) async fn read(mut log: Log) -> Result<Self, StoreError> {
        let mut unapplied = Self::default();
        while let Some(message) = log.next().await? {
            let mark = match Event::from_json(message.payload().unwrap_or_default()) {
                Ok(event) => {
                    let Some(partition) = outbox_of(&event) else { continue };
                    let (version, mark) = unapplied.of.entry(partition).or_default();
                    *version = event.version.max(*version);
                    mark
                }
                Err(_) => &mut unapplied.unreadable,
            };
            mark.insert(message.partition(), message.offset() + 1);
        }
        Ok(unapplied)
    }

    /// Where in the topic everything is applied that concerns these partitions.
    pub(crate) fn end_of(&self, partitions: &[Partition]) -> Mark {
        let of = partitions.iter().filter_map(|partition| self.of.get(partition)).map(|(_, mark)| mark);
        let mut end = Mark::new();
        for (partition, offset) in of.chain([&self.unreadable]).flatten() {
            let last = end.entry(*partition).or_insert(*offset);
            *last = (*last).max(*offset);
        }
        end
    }
}

impl Known {
    /// Adds what Kafka has.
    pub(crate) fn with(mut self, unapplied: &Unapplied) -> Self {
        for (partition, (version, _)) in &unapplied.of {
            let known = self.0.entry(*partition).or_default();
            known.version = known.version.max(*version);
        }
        self
    }

    /// Reads what MySQL knows.
    pub(crate) async fn read(mysql: &MySqlPool) -> Result<Self, StoreError> {
        let rows: Vec<Row> = query_as(
            "SELECT k.p, k.epoch, COALESCE(j.writes, 0), k.version_ms, k.version_seq,
                    COALESCE(s.last_ms, 0), COALESCE(s.last_seq, 0)
             FROM partition_state k LEFT JOIN outbox_seen s ON s.p = k.p LEFT JOIN projection j ON j.p = k.p",
        )
        .fetch_all(mysql)
        .await?;
        let version = |ms: i64, seq: i64| Some(Version { ms: u64::try_from(ms).ok()?, seq: u64::try_from(seq).ok()? });
        let row = |(p, epoch, writes, ms, seq, seen_ms, seen_seq): Row| {
            let version = version(ms, seq)?.max(version(seen_ms, seen_seq)?);
            let known = Knowledge { epoch: epoch.try_into().ok()?, version, writes: writes.try_into().ok()? };
            Some((Partition::from_number(p)?, known))
        };
        let known = rows.into_iter().map(row).collect::<Option<_>>();
        known
            .map(Self)
            .ok_or_else(|| StoreError::Answer(Store::Mysql, "partition_state has a number out of range".to_owned()))
    }

    /// What is known of a partition.
    pub(crate) fn of(&self, partition: Partition) -> Knowledge {
        self.0.get(&partition).copied().unwrap_or_default()
    }
}

/// Partition, epoch, writes, and the two versions.
type Row = (u8, i64, i64, i64, i64, i64, i64);

/// Records the outboxes' last ids after Redis has written something that no event repeats. A Redis with an outbox that ends
/// below its id has lost it.
pub(super) async fn write_marks(mysql: &MySqlPool, marks: &Marks) -> Result<(), StoreError> {
    let Some(write) = statements::write_seen(&marks.iter().collect()) else { return Ok(()) };
    retried(mysql, async |connection| {
        raw_sql(AssertSqlSafe(write.clone())).execute(connection).await?;
        Ok(())
    })
    .await
}

/// Records epochs before they are used, so that none is assigned twice after an interrupted rebuild.
pub(crate) async fn write_epochs(mysql: &MySqlPool, epochs: &[(Partition, u64)]) -> Result<(), StoreError> {
    let rows = epochs.iter().map(|(partition, epoch)| format!("({partition},{epoch})")).collect::<Vec<_>>().join(",");
    let write = format!(
        "INSERT INTO partition_state (p, epoch) VALUES {rows}
         ON DUPLICATE KEY UPDATE epoch = GREATEST(epoch, VALUES(epoch))"
    );
    raw_sql(AssertSqlSafe(write)).execute(mysql).await?;
    Ok(())
}
