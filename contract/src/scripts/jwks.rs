//! The scripts by which instances share the key set of users' tokens, and take turns.

use crate::{Partition, keys};

answer! {
    /// Whether the caller has a turn.
    Turn {
        /// It does.
        taken: bool,
        /// Milliseconds for which another has it.
        wait_ms: u64,
    }
}

script! {
    /// `turn.lua`: takes the turn to do what is to be done once for all instances.
    TakeTurn<'a> = TURN -> Turn {
        /// Which: a key of [`Partition::FIRST`].
        turn: &'a str,
        /// Milliseconds that it lasts.
        lasts_ms: u64,
    }
    |call, at| in Partition::FIRST,
    keys(call.turn),
    args(at.deadline_ms, call.lasts_ms)
}

answer! {
    /// What became of a wish for another key set.
    JwksTaken {
        /// A shared set that the caller does not know; else empty.
        set: String,
        /// The turn to fetch one.
        turn: Turn,
    }
}

script! {
    /// `jwks_take.lua`: reads the shared key set, or takes the turn to fetch another.
    JwksTake<'a> = JWKS_TAKE -> JwksTaken {
        /// Which set.
        name: &'a str,
        /// The tag of the set that the caller knows: what it has before its first colon. Empty for none.
        known: &'a str,
        /// Milliseconds that a turn lasts.
        lasts_ms: u64,
    }
    |call, at| in Partition::FIRST,
    keys(keys::jwks(call.name), keys::jwks_turn(call.name)),
    args(at.deadline_ms, call.known, call.lasts_ms)
}

script! {
    /// `jwks_put.lua`: shares a key set.
    JwksPut<'a> = JWKS_PUT -> () {
        /// Which set.
        name: &'a str,
        /// The set, which begins with its tag and a colon.
        set: &'a str,
    }
    |call, at| in Partition::FIRST,
    keys(keys::jwks(call.name)),
    args(at.deadline_ms, call.set)
}
