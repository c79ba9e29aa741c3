//! The scripts that take changes back, and hold pairs of user and article meanwhile.

use super::{
    At, Call, Command, Reply, Script,
    text::{HOLD, RELEASE, UNDO},
};
use crate::{Cause, Pair, Partition, Version, keys};

impl Command {
    fn pairs(&mut self, pairs: &[Pair]) -> &mut Self {
        for (article, kind, user) in pairs.iter().copied() {
            self.arg(keys::held_pair(kind, user, article));
        }
        self
    }
}

/// `hold.lua`: holds pairs, so that no request changes them until they are released or the hold runs out.
#[derive(Debug, Clone)]
pub struct Hold<'a> {
    /// The partition of all the articles.
    pub partition: Partition,
    /// Which; some hundreds at most.
    pub pairs: &'a [Pair],
    /// For how long, in ms.
    pub lasts_ms: u64,
}

/// What is held now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The last entry of the outbox: every change of these pairs is in it or before it.
    pub last: Version,
    /// When the hold runs out, as [`Undo`] and [`Release`] want it.
    pub until: String,
    /// For each pair, whether this call holds it; somebody else does otherwise.
    pub got: Vec<bool>,
}

impl Call for Hold<'_> {
    type Answer = Held;
    const SCRIPT: Script = HOLD;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, at: At<'_>) -> Command {
        let partition = self.partition;
        let mut command = Command::new([keys::warm(partition), keys::outbox(partition), keys::held(partition)]);
        command.server(at).arg(self.lasts_ms).pairs(self.pairs);
        command
    }

    fn answer(&self, reply: &mut Reply) -> Option<Held> {
        let (last, until) = (reply.version()?, reply.text()?);
        Some(Held { last, until, got: reply.times(self.pairs.len(), Reply::flag)? })
    }
}

/// `undo.lua`: switches pairs off, for another reason than their users' wish. For kinds whose truth is Redis.
#[derive(Debug, Clone)]
pub struct Undo<'a> {
    /// The partition of all the articles.
    pub partition: Partition,
    /// Which; some hundreds at most.
    pub pairs: &'a [Pair],
    /// Why.
    pub cause: Cause,
    /// When the pairs' hold runs out, as [`Held`] says; empty where they need none.
    pub until: &'a str,
}

/// What was undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// The last entry of the outbox.
    pub last: Version,
    /// For each pair, whether it was switched off.
    pub done: Vec<bool>,
}

impl Call for Undo<'_> {
    type Answer = Undone;
    const SCRIPT: Script = UNDO;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, at: At<'_>) -> Command {
        let partition = self.partition;
        let mut command = Command::new([keys::warm(partition), keys::outbox(partition), keys::held(partition)]);
        command.server(at).arg(self.cause.word()).arg(self.until);
        for (article, kind, user) in self.pairs.iter().copied() {
            command.key(keys::count(kind, article)).key(keys::members(kind, article));
            command.arg(kind).arg(user).arg(article);
        }
        command
    }

    fn answer(&self, reply: &mut Reply) -> Option<Undone> {
        Some(Undone { last: reply.version()?, done: reply.times(self.pairs.len(), Reply::flag)? })
    }
}

/// `release.lua`: lets held pairs go. Answers how many were.
#[derive(Debug, Clone)]
pub struct Release<'a> {
    /// The partition of all the articles.
    pub partition: Partition,
    /// Which.
    pub pairs: &'a [Pair],
    /// When the hold runs out, as [`Held`] says: another hold of a pair stays.
    pub until: &'a str,
}

impl Call for Release<'_> {
    type Answer = u64;
    const SCRIPT: Script = RELEASE;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, _: At<'_>) -> Command {
        let mut command = Command::new([keys::held(self.partition)]);
        command.arg(self.until).pairs(self.pairs);
        command
    }

    fn answer(&self, reply: &mut Reply) -> Option<u64> {
        reply.count()
    }
}
