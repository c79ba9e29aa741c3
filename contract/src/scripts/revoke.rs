//! The scripts that hold pairs of user and article, and switch them off.

use super::part::Each;
use crate::{Cause, Pair, Partition, Version, Written, keys};

answer! {
    /// The result of a hold.
    Held {
        /// The last entry of the outbox: every change of these pairs is at or before it.
        last: Version,
        /// When the hold expires, as [`Undo`] and [`Release`] take it.
        until: String,
        /// For each pair, whether this call holds it. Otherwise another caller does.
        got: Vec<bool>,
    }
}

fn names(pairs: &[Pair]) -> impl super::Part {
    Each(pairs.iter().map(|(article, kind, user)| keys::held_pair(*kind, *user, *article)))
}

script! {
    /// `hold.lua`: holds pairs, so that no request changes them until they are released or the hold expires.
    Hold<'a> = HOLD -> Held {
        /// The partition of all the articles.
        partition: Partition,
        /// The pairs; a few hundred at most.
        pairs: &'a [Pair],
        /// For how long, in ms.
        lasts_ms: u64,
    }
    |call, at| in call.partition,
    keys(keys::warm(call.partition), keys::outbox(call.partition), keys::held(call.partition)),
    args(at.server, call.lasts_ms, names(call.pairs))
}

answer! {
    /// The result of an undo.
    Undone {
        /// The last entry of the outbox.
        last: Version,
        /// For each pair, whether it was switched off.
        done: Vec<bool>,
    }
}

script! {
    /// `undo.lua`: switches pairs off for a reason other than their users' wish. For kinds whose truth is Redis.
    Undo<'a> = UNDO -> Undone {
        /// The partition of all the articles.
        partition: Partition,
        /// The pairs; a few hundred at most.
        pairs: &'a [Written],
        /// The cause in the events.
        cause: Cause,
        /// When the pairs' hold expires, as [`Held`] says. Empty if they need no hold.
        until: &'a str,
    }
    |call, at| in call.partition,
    keys(
        keys::warm(call.partition), keys::outbox(call.partition), keys::held(call.partition),
        Each(call.pairs.iter().map(|of| (keys::count(of.kind, of.article.number()), keys::members(of.kind, of.article.number())))),
    ),
    args(
        at.server, call.cause.word(), call.until,
        Each(call.pairs.iter().map(|of| {
            (of.kind, ((of.user.number(), of.article.number()), (&of.user, &of.article)))
        })),
    )
}

script! {
    /// `release.lua`: releases held pairs. Returns how many were released.
    Release<'a> = RELEASE -> u64 {
        /// The partition of all the articles.
        partition: Partition,
        /// The pairs.
        pairs: &'a [Pair],
        /// When the hold expires, as [`Held`] says. Another hold of a pair stays.
        until: &'a str,
    }
    |call, _at| in call.partition,
    keys(keys::held(call.partition)),
    args(call.until, names(call.pairs))
}
