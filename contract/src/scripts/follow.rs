//! The scripts that keep the stores equal: what the relay calls, and what compares and repairs.

use super::part::Each;
use crate::{ArticleId, ArticleNumber, Kind, Partition, UserId, UserNumber, Version, keys};

script! {
    /// `ack.lua`: removes from the outbox what Kafka has confirmed. Answers how many entries were there.
    Ack<'a> = ACK -> u64 {
        /// Whose outbox.
        partition: Partition,
        /// The relay's consumer group.
        group: &'a str,
        /// The entries; 1,000 at most.
        ids: &'a [Version],
    }
    |call, _at| in call.partition,
    keys(keys::outbox(call.partition)),
    args(call.group, call.ids)
}

/// An entry of MySQL's outbox, as far as the projection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// A kind whose truth is MySQL.
    pub kind: Kind,
    /// Whose.
    pub user: UserNumber,
    /// Of which article.
    pub article: ArticleNumber,
    /// On or off after the change.
    pub on: bool,
}

script! {
    /// `project.lua`: brings the projection in Redis up to entries of MySQL's outbox. Answers how many times the
    /// partition's projections were written.
    Project<'a> = PROJECT -> u64 {
        /// The partition of all the articles.
        partition: Partition,
        /// What no earlier process has: see `lua/project.lua`.
        token: u64,
        /// In the order of their ids; some hundreds at most.
        entries: &'a [Entry],
    }
    |call, at| in call.partition,
    keys(
        keys::warm(call.partition), keys::projector(call.partition),
        Each(call.entries.iter().map(|of| (keys::count(of.kind, of.article), keys::members(of.kind, of.article)))),
    ),
    args(at.server, call.token, Each(call.entries.iter().map(|of| (of.user, of.on))))
}

answer! {
    /// What Redis holds.
    Compared {
        /// The last entry of the outbox up to which it is true.
        last: Version,
        /// The count.
        count: i64,
        /// How many users there are in the sets, which the count should equal; -1 where users are asked about.
        members: i64,
        /// For each user asked about, whether it is on.
        on: Vec<bool>,
    }
}

script! {
    /// `compare.lua`: what Redis holds of a kind and an article.
    Compare<'a> = COMPARE -> Compared {
        /// Of which kind.
        kind: Kind,
        /// Of which article.
        article: ArticleNumber,
        /// Which users to look at; 1,000 at most.
        users: &'a [UserNumber],
    }
    |call, at| in Partition::of(call.article),
    keys(
        keys::warm(call.partition()), keys::outbox(call.partition()),
        keys::count(call.kind, call.article), keys::members(call.kind, call.article),
    ),
    args(at.server, call.users)
}

script! {
    /// `restate.lua`: says again what Redis holds of users; without users, counts again. Answers the last entry of the outbox, which may be one
    /// that this made.
    Restate<'a> = RESTATE -> Version {
        /// Of which kind.
        kind: Kind,
        /// Of which article.
        article: ArticleId,
        /// Of which users, where the kind's truth is Redis; some hundreds at most. Without any it only counts.
        users: &'a [UserId],
    }
    |call, at| in Partition::of(call.article.number()),
    keys(
        keys::warm(call.partition()), keys::outbox(call.partition()),
        keys::count(call.kind, call.article.number()), keys::members(call.kind, call.article.number()),
    ),
    args(at.server, call.kind, &call.article, Each(call.users.iter().map(|user| (user.number(), user))))
}
