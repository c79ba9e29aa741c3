use std::cell::Cell;

use contract::{
    Partition,
    scripts::{At, Refusal},
};
use spin_sdk::redis::{RedisParameter, RedisResult};

use super::state::State;

/// A call of any script, so that the code that sends calls is compiled once for all scripts.
pub(super) trait Pending {
    fn partition(&self) -> Partition;
    fn state(&self) -> &Cell<State>;
    /// The arguments of EVALSHA, or of EVAL if `text`.
    fn parameters(&self, at: At<'_>, text: bool) -> Vec<RedisParameter>;
    /// Reads the answer and keeps it.
    fn receive(&self, values: Vec<RedisResult>) -> Result<(), Refusal>;
}
