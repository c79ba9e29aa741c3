//! The scripts that take changes back, and hold pairs of user and article meanwhile.

use super::part::Each;
use crate::{Cause, Pair, Partition, Version, Written, keys};

answer! {
    /// What is held now.
    Held {
        /// The last entry of the outbox: every change of these pairs is in it or before it.
        last: Version,
        /// When the hold runs out, as [`Undo`] and [`Release`] want it.
        until: String,
        /// For each pair, whether this call holds it; somebody else does otherwise.
        got: Vec<bool>,
    }
}

fn names(pairs: &[Pair]) -> impl super::Part {
    Each(pairs.iter().map(|(article, kind, user)| keys::held_pair(*kind, *user, *article)))
}

script! {
    /// `hold.lua`: holds pairs, so that no request changes them until they are released or the hold runs out.
    Hold<'a> = HOLD -> Held {
        /// The partition of all the articles.
        partition: Partition,
        /// Which; some hundreds at most.
        pairs: &'a [Pair],
        /// For how long, in ms.
        lasts_ms: u64,
    }
    |call, at| in call.partition,
    keys(keys::warm(call.partition), keys::outbox(call.partition), keys::held(call.partition)),
    args(at.server, call.lasts_ms, names(call.pairs))
}

answer! {
    /// What was undone.
    Undone {
        /// The last entry of the outbox.
        last: Version,
        /// For each pair, whether it was switched off.
        done: Vec<bool>,
    }
}

script! {
    /// `undo.lua`: switches pairs off, for another reason than their users' wish. For kinds whose truth is Redis.
    Undo<'a> = UNDO -> Undone {
        /// The partition of all the articles.
        partition: Partition,
        /// Which; some hundreds at most.
        pairs: &'a [Written],
        /// Why.
        cause: Cause,
        /// When the pairs' hold runs out, as [`Held`] says; empty where they need none.
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
    /// `release.lua`: lets held pairs go. Answers how many were.
    Release<'a> = RELEASE -> u64 {
        /// The partition of all the articles.
        partition: Partition,
        /// Which.
        pairs: &'a [Pair],
        /// When the hold runs out, as [`Held`] says: another hold of a pair stays.
        until: &'a str,
    }
    |call, _at| in call.partition,
    keys(keys::held(call.partition)),
    args(call.until, names(call.pairs))
}
