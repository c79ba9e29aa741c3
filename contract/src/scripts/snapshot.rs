//! The scripts that save page views, visitors and reads in MySQL.

use super::{
    At, Call, Command, Reply, Script,
    text::{SNAPSHOT_DONE, SNAPSHOT_READ, SNAPSHOT_TAKE},
};
use crate::{ArticleId, Partition, keys};

/// `snapshot_take.lua`: names articles whose counters changed since they were last saved.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotTake {
    /// Of which partition.
    pub partition: Partition,
    /// How many at most; some thousands.
    pub most: usize,
}

impl Call for SnapshotTake {
    type Answer = Vec<ArticleId>;
    const SCRIPT: Script = SNAPSHOT_TAKE;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, at: At<'_>) -> Command {
        let partition = self.partition;
        let mut command = Command::new([keys::warm(partition), keys::changed(partition), keys::saving(partition)]);
        command.server(at).arg(self.most);
        command
    }

    fn answer(&self, reply: &mut Reply) -> Option<Vec<ArticleId>> {
        reply.times(reply.left(), |reply| reply.text()?.parse().ok())
    }
}

/// `snapshot_read.lua`: the counters to save.
#[derive(Debug, Clone)]
pub struct SnapshotRead<'a> {
    /// The partition of all the articles.
    pub partition: Partition,
    /// Which.
    pub articles: &'a [ArticleId],
}

/// An article's page views, visitors and reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters {
    /// Page views.
    pub pv: i64,
    /// Visitors.
    pub uv: i64,
    /// The bytes of the visitors' `HyperLogLog`; empty for none.
    pub uv_sketch: Vec<u8>,
    /// Reads.
    pub reads: i64,
}

impl Call for SnapshotRead<'_> {
    /// In the order of the articles.
    type Answer = Vec<Counters>;
    const SCRIPT: Script = SNAPSHOT_READ;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, at: At<'_>) -> Command {
        let mut command = Command::new([keys::warm(self.partition)]);
        for article in self.articles.iter().copied() {
            command.key(keys::pv(article)).key(keys::uv(article)).key(keys::reads(article));
        }
        command.server(at);
        command
    }

    fn answer(&self, reply: &mut Reply) -> Option<Vec<Counters>> {
        reply.times(self.articles.len(), |reply| {
            let (pv, uv, uv_sketch) = (reply.int()?, reply.int()?, reply.bytes()?);
            Some(Counters { pv, uv, uv_sketch, reads: reply.int()? })
        })
    }
}

/// `snapshot_done.lua`: forgets that an article's counters are to be saved. Answers whether it did; they are to be saved
/// again if they changed meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotDone {
    /// Of which article.
    pub article: ArticleId,
    /// As they were saved.
    pub pv: i64,
    /// As they were saved.
    pub reads: i64,
}

impl Call for SnapshotDone {
    type Answer = bool;
    const SCRIPT: Script = SNAPSHOT_DONE;

    fn partition(&self) -> Partition {
        Partition::of(self.article)
    }

    fn command(&self, _: At<'_>) -> Command {
        let (article, partition) = (self.article, self.partition());
        let keys = [keys::saving(partition), keys::changed(partition), keys::pv(article), keys::reads(article)];
        let mut command = Command::new(keys);
        command.arg(article).arg(self.pv).arg(self.reads);
        command
    }

    fn answer(&self, reply: &mut Reply) -> Option<bool> {
        reply.flag()
    }
}
