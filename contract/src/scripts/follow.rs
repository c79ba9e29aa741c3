//! The scripts that keep the stores equal: those of the relay, and those of comparison and repair.

use super::part::Each;
use crate::{ArticleId, ArticleNumber, Kind, Partition, UserId, UserNumber, Version, keys};

script! {
    /// `ack.lua`: removes entries from the outbox that Kafka has confirmed. Returns how many of them were there.
    Ack<'a> = ACK -> u64 {
        /// The partition of the outbox.
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

/// An entry of MySQL's outbox, as the projection needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// A kind whose truth is MySQL.
    pub kind: Kind,
    /// The user.
    pub user: UserNumber,
    /// The article.
    pub article: ArticleNumber,
    /// On or off after the change.
    pub on: bool,
}

script! {
    /// `project.lua`: brings the projection in Redis up to date with entries of MySQL's outbox. Returns how many times
    /// the partition's projections have been written.
    Project<'a> = PROJECT -> u64 {
        /// The partition of all the articles.
        partition: Partition,
        /// The token: greater than that of any earlier process (see `lua/project.lua`).
        token: u64,
        /// The entries in the order of their ids; a few hundred at most.
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
        /// The last entry of the outbox: the answer is true as of this entry.
        last: Version,
        /// The count.
        count: i64,
        /// The number of users in the sets, which the count should equal; -1 if users were asked about.
        members: i64,
        /// For each of the users, whether the kind is on.
        on: Vec<bool>,
    }
}

script! {
    /// `compare.lua`: what Redis holds of a kind and an article.
    Compare<'a> = COMPARE -> Compared {
        /// The kind.
        kind: Kind,
        /// The article.
        article: ArticleNumber,
        /// The users to look at; 1,000 at most.
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
    /// `restate.lua`: repeats what Redis holds of users as events; without users, corrects the count. Returns the last
    /// entry of the outbox.
    Restate<'a> = RESTATE -> Version {
        /// The kind.
        kind: Kind,
        /// The article.
        article: ArticleId,
        /// The users, if the kind's truth is Redis; a few hundred at most. Without users the script corrects the count.
        users: &'a [UserId],
    }
    |call, at| in Partition::of(call.article.number()),
    keys(
        keys::warm(call.partition()), keys::outbox(call.partition()),
        keys::count(call.kind, call.article.number()), keys::members(call.kind, call.article.number()),
    ),
    args(at.server, call.kind, &call.article, Each(call.users.iter().map(|user| (user.number(), user))))
}
