//! The scripts that keep the stores equal: what the relay calls, and what compares and repairs.

use super::{
    At, Call, Command, Reply, Script,
    text::{ACK, COMPARE, PROJECT, RESTATE},
};
use crate::{ArticleId, Kind, Partition, UserId, Version, keys};

/// `ack.lua`: removes from the outbox what Kafka has confirmed. Answers how many entries were there.
#[derive(Debug, Clone)]
pub struct Ack<'a> {
    /// Whose outbox.
    pub partition: Partition,
    /// The relay's consumer group.
    pub group: &'a str,
    /// The entries; 1,000 at most.
    pub ids: &'a [Version],
}

impl Call for Ack<'_> {
    type Answer = u64;
    const SCRIPT: Script = ACK;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, _: At<'_>) -> Command {
        let mut command = Command::new([keys::outbox(self.partition)]);
        command.arg(self.group);
        for id in self.ids {
            command.arg(id);
        }
        command
    }

    fn answer(&self, reply: &mut Reply) -> Option<u64> {
        reply.count()
    }
}

/// An entry of MySQL's outbox, as far as the projection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// A kind whose truth is MySQL.
    pub kind: Kind,
    /// Whose.
    pub user: UserId,
    /// Of which article.
    pub article: ArticleId,
    /// On or off after the change.
    pub on: bool,
}

/// `project.lua`: brings the projection in Redis up to entries of MySQL's outbox. Answers how many times the partition's
/// projections were written.
#[derive(Debug, Clone)]
pub struct Project<'a> {
    /// The partition of all the articles.
    pub partition: Partition,
    /// What no earlier process has: see `lua/project.lua`.
    pub token: u64,
    /// In the order of their ids; some hundreds at most.
    pub entries: &'a [Entry],
}

impl Call for Project<'_> {
    type Answer = u64;
    const SCRIPT: Script = PROJECT;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, at: At<'_>) -> Command {
        let mut command = Command::new([keys::warm(self.partition), keys::projector(self.partition)]);
        command.server(at).arg(self.token);
        for Entry { kind, user, article, on } in self.entries.iter().copied() {
            command.key(keys::count(kind, article)).key(keys::members(kind, article));
            command.arg(user).arg(u8::from(on));
        }
        command
    }

    fn answer(&self, reply: &mut Reply) -> Option<u64> {
        reply.count()
    }
}

/// `compare.lua`: what Redis holds of a kind and an article.
#[derive(Debug, Clone)]
pub struct Compare<'a> {
    /// Of which kind.
    pub kind: Kind,
    /// Of which article.
    pub article: ArticleId,
    /// Which users to look at; 1,000 at most.
    pub users: &'a [UserId],
}

/// What Redis holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The last entry of the outbox up to which it is true.
    pub last: Version,
    /// The count.
    pub count: i64,
    /// How many users there are in the sets, which the count should equal.
    pub members: i64,
    /// For each user asked about, whether it is on.
    pub on: Vec<bool>,
}

fn of_article(kind: Kind, article: ArticleId) -> Command {
    let partition = Partition::of(article);
    let keys =
        [keys::warm(partition), keys::outbox(partition), keys::count(kind, article), keys::members(kind, article)];
    Command::new(keys)
}

impl Call for Compare<'_> {
    type Answer = Compared;
    const SCRIPT: Script = COMPARE;

    fn partition(&self) -> Partition {
        Partition::of(self.article)
    }

    fn command(&self, at: At<'_>) -> Command {
        let mut command = of_article(self.kind, self.article);
        command.server(at);
        for user in self.users {
            command.arg(user);
        }
        command
    }

    fn answer(&self, reply: &mut Reply) -> Option<Compared> {
        let (last, count, members) = (reply.version()?, reply.int()?, reply.int()?);
        Some(Compared { last, count, members, on: reply.times(self.users.len(), Reply::flag)? })
    }
}

/// `restate.lua`: says again what Redis holds, and counts anew.
#[derive(Debug, Clone)]
pub struct Restate<'a> {
    /// Of which kind.
    pub kind: Kind,
    /// Of which article.
    pub article: ArticleId,
    /// Of which users, where the kind's truth is Redis; some hundreds at most. Without any it only counts.
    pub users: &'a [UserId],
}

impl Call for Restate<'_> {
    /// The last entry of the outbox, which may be one that this made.
    type Answer = Version;
    const SCRIPT: Script = RESTATE;

    fn partition(&self) -> Partition {
        Partition::of(self.article)
    }

    fn command(&self, at: At<'_>) -> Command {
        let mut command = of_article(self.kind, self.article);
        command.server(at).arg(self.kind).arg(self.article);
        for user in self.users {
            command.arg(user);
        }
        command
    }

    fn answer(&self, reply: &mut Reply) -> Option<Version> {
        reply.version()
    }
}
