//! The scripts of the warm rule and of a rebuild. A partition that is fenced for a rebuild is named by the rebuild's id
//! rather than by its server.

use super::{
    At, Call, Command, Reply, Script,
    text::{CLEAR, FENCE, PARTITION_STATE, RESTORE_BARS, RESTORE_MEMBERS, RESTORE_STATS, WARM},
};
use crate::{ArticleId, Kind, Partition, UserId, Version, keys};

/// `partition_state.lua`: what is known of a partition, warm or not.
#[derive(Debug, Clone, Copy)]
pub struct PartitionState {
    /// Which.
    pub partition: Partition,
}

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The server whose data was known to be whole; empty for none, or for a rebuild under way.
    pub server: String,
    /// 0 where there is no marker at all.
    pub epoch: u64,
    /// The outbox's last id.
    pub last: Version,
    /// Entries in the outbox.
    pub waiting: u64,
    /// The oldest of them.
    pub oldest: Option<Version>,
    /// Whether it is fenced for a rebuild.
    pub rebuilding: bool,
    /// How many times the projections here were written. A server that has fewer writes than MySQL knows of lost some.
    pub writes: u64,
}

impl Call for PartitionState {
    type Answer = State;
    const SCRIPT: Script = PARTITION_STATE;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, _: At<'_>) -> Command {
        let partition = self.partition;
        Command::new([keys::warm(partition), keys::outbox(partition), keys::projector(partition)])
    }

    fn answer(&self, reply: &mut Reply) -> Option<State> {
        let (server, epoch, last, waiting) = (reply.text()?, reply.count()?, reply.version()?, reply.count()?);
        let oldest = reply.text()?.parse().ok();
        let rebuilding = !reply.text()?.is_empty();
        Some(State { server, epoch, last, waiting, oldest, rebuilding, writes: reply.count()? })
    }
}

/// `fence.lua`: fences a partition for a rebuild.
#[derive(Debug, Clone, Copy)]
pub struct Fence<'a> {
    /// Which.
    pub partition: Partition,
    /// The id of the rebuild.
    pub rebuild: &'a str,
}

impl Call for Fence<'_> {
    type Answer = ();
    const SCRIPT: Script = FENCE;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, at: At<'_>) -> Command {
        let mut command = Command::new([keys::warm(self.partition)]);
        command.arg(self.rebuild).server(at);
        command
    }

    fn answer(&self, _: &mut Reply) -> Option<()> {
        Some(())
    }
}

/// `clear.lua`: removes keys of a partition that is fenced for this rebuild.
#[derive(Debug, Clone)]
pub struct Clear<'a> {
    /// Which.
    pub partition: Partition,
    /// The id of the rebuild.
    pub rebuild: &'a str,
    /// The keys, all of the partition; some thousands at most.
    pub keys: Vec<String>,
}

impl Call for Clear<'_> {
    type Answer = ();
    const SCRIPT: Script = CLEAR;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, _: At<'_>) -> Command {
        let mut command = Command::new(std::iter::once(keys::warm(self.partition)).chain(self.keys.iter().cloned()));
        command.arg(self.rebuild);
        command
    }

    fn answer(&self, _: &mut Reply) -> Option<()> {
        Some(())
    }
}

/// `restore_members.lua`: writes users who have a kind on for an article back from MySQL.
#[derive(Debug, Clone)]
pub struct RestoreMembers<'a> {
    /// The id of the rebuild.
    pub rebuild: &'a str,
    /// Of which kind.
    pub kind: Kind,
    /// Of which article.
    pub article: ArticleId,
    /// How many users the article has in all.
    pub total: usize,
    /// Some of them; 5,000 at most.
    pub users: &'a [UserId],
}

impl Call for RestoreMembers<'_> {
    type Answer = ();
    const SCRIPT: Script = RESTORE_MEMBERS;

    fn partition(&self) -> Partition {
        Partition::of(self.article)
    }

    fn command(&self, _: At<'_>) -> Command {
        let (kind, article) = (self.kind, self.article);
        let keys = [keys::warm(self.partition()), keys::count(kind, article), keys::members(kind, article)];
        let mut command = Command::new(keys);
        command.arg(self.rebuild).arg(self.total);
        for user in self.users {
            command.arg(user);
        }
        command
    }

    fn answer(&self, _: &mut Reply) -> Option<()> {
        Some(())
    }
}

/// `restore_stats.lua`: writes an article's page views, visitors and reads back from MySQL.
#[derive(Debug, Clone)]
pub struct RestoreStats<'a> {
    /// The id of the rebuild.
    pub rebuild: &'a str,
    /// Of which article.
    pub article: ArticleId,
    /// Page views.
    pub pv: i64,
    /// The bytes of the visitors' `HyperLogLog`, as they were saved; empty for none.
    pub uv_sketch: Vec<u8>,
    /// Reads.
    pub reads: i64,
}

impl Call for RestoreStats<'_> {
    type Answer = ();
    const SCRIPT: Script = RESTORE_STATS;

    fn partition(&self) -> Partition {
        Partition::of(self.article)
    }

    fn command(&self, _: At<'_>) -> Command {
        let article = self.article;
        let keys = [keys::warm(self.partition()), keys::pv(article), keys::uv(article), keys::reads(article)];
        let mut command = Command::new(keys);
        command.arg(self.rebuild).arg(self.pv).bytes(self.uv_sketch.clone()).arg(self.reads);
        command
    }

    fn answer(&self, _: &mut Reply) -> Option<()> {
        Some(())
    }
}

/// `restore_bars.lua`: writes barred users back from MySQL.
#[derive(Debug, Clone)]
pub struct RestoreBars<'a> {
    /// Into which partition; each has all of them.
    pub partition: Partition,
    /// The id of the rebuild.
    pub rebuild: &'a str,
    /// Whom; 1,000 at most.
    pub users: &'a [UserId],
}

impl Call for RestoreBars<'_> {
    type Answer = ();
    const SCRIPT: Script = RESTORE_BARS;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, _: At<'_>) -> Command {
        let mut command = Command::new([keys::warm(self.partition), keys::barred(self.partition)]);
        command.arg(self.rebuild);
        for user in self.users {
            command.arg(user);
        }
        command
    }

    fn answer(&self, _: &mut Reply) -> Option<()> {
        Some(())
    }
}

/// `warm.lua`: declares a server's data of a partition whole.
#[derive(Debug, Clone, Copy)]
pub struct Warm<'a> {
    /// Which.
    pub partition: Partition,
    /// After a rebuild the next one, else the one that was seen.
    pub epoch: u64,
    /// The relay's consumer group.
    pub group: &'a str,
    /// What was done before; none where nothing was lost.
    pub rebuilt: Option<Rebuilt<'a>>,
}

/// A rebuild that is complete.
#[derive(Debug, Clone, Copy)]
pub struct Rebuilt<'a> {
    /// Its id.
    pub rebuild: &'a str,
    /// Every new version must be above this one.
    pub above: Version,
    /// A new token: no process that wrote projections before writes them here any more.
    pub token: u64,
    /// How many writes of projections MySQL knows of.
    pub writes: u64,
}

impl Call for Warm<'_> {
    type Answer = ();
    const SCRIPT: Script = WARM;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, at: At<'_>) -> Command {
        let partition = self.partition;
        let keys = [keys::warm(partition), keys::outbox(partition), keys::projector(partition)];
        let mut command = Command::new(keys);
        let none = Rebuilt { rebuild: "", above: Version::default(), token: 0, writes: 0 };
        let Rebuilt { rebuild, above, token, writes } = self.rebuilt.unwrap_or(none);
        command.server(at).arg(self.epoch).arg(above).arg(rebuild).arg(self.group).arg(token).arg(writes);
        command
    }

    fn answer(&self, _: &mut Reply) -> Option<()> {
        Some(())
    }
}
