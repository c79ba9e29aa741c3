//! The scripts by which instances share the key set for users' tokens, and take turns.

use crate::{Partition, keys};

answer! {
    /// Whether the caller has a turn.
    Turn {
        /// It does.
        taken: bool,
        /// The milliseconds for which another caller has the turn.
        wait_ms: u64,
    }
}

script! {
    /// `turn.lua`: takes the turn for something that one instance does for all.
    TakeTurn<'a> = TURN -> Turn {
        /// The key of the turn, one of [`Partition::FIRST`].
        turn: &'a str,
        /// How long the turn lasts, in milliseconds.
        lasts_ms: u64,
    }
    |call, at| in Partition::FIRST,
    keys(call.turn),
    args(at.deadline_ms, call.lasts_ms)
}

answer! {
    /// The answer to a request for another key set.
    JwksTaken {
        /// A shared set that the caller does not know; otherwise empty.
        set: String,
        /// The turn to fetch one.
        turn: Turn,
    }
}

script! {
    /// `jwks_take.lua`: reads the shared key set, or takes the turn to fetch another.
    JwksTake<'a> = JWKS_TAKE -> JwksTaken {
        /// The name of the set.
        name: &'a str,
        /// The tag of the set that the caller knows: the part before its first colon. Empty for none.
        known: &'a str,
        /// How long a turn lasts, in milliseconds.
        lasts_ms: u64,
    }
    |call, at| in Partition::FIRST,
    keys(keys::jwks(call.name), keys::jwks_turn(call.name)),
    args(at.deadline_ms, call.known, call.lasts_ms)
}

script! {
    /// `jwks_put.lua`: shares a key set.
    JwksPut<'a> = JWKS_PUT -> () {
        /// The name of the set.
        name: &'a str,
        /// The set, which begins with its tag and a colon.
        set: &'a str,
    }
    |call, at| in Partition::FIRST,
    keys(keys::jwks(call.name)),
    args(at.deadline_ms, call.set)
}
