//! What all calls of scripts have in common.

use super::{FromReply, Script};
use crate::Partition;

/// The server of a call, as the caller knows it.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The server's name: its run id and its replication id. A script compares it with the partition's warm marker.
    pub server: &'a str,
    /// When the caller stops waiting, in ms by the server's clock. None for tools. A script that writes for a request
    /// does nothing after this time.
    pub deadline_ms: Option<i64>,
}

/// A call of a script.
pub trait Call {
    /// The script's answer after `OK`.
    type Answer: FromReply;

    /// The script.
    const SCRIPT: Script;

    /// The partition of all the keys, which determines the server.
    fn partition(&self) -> Partition;

    /// KEYS and ARGV.
    fn command(&self, at: At<'_>) -> Command;

    /// The frequency limits that the call charges, in the order in which [`Refusal::Limited`] numbers them.
    fn limits(&self) -> &[Limit] {
        &[]
    }
}

/// KEYS and ARGV of a call, in the order of the script's header.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Command {
    /// KEYS.
    pub keys: Vec<Vec<u8>>,
    /// ARGV.
    pub args: Vec<Vec<u8>>,
}

/// A frequency limit, as the scripts take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many requests pass at once.
    pub burst: i64,
    /// Microseconds between requests after the burst.
    pub interval_us: i64,
}

/// The arguments of EVALSHA, or of EVAL if `text`: the script, the number of keys, the keys, and the arguments.
pub fn send<C: Call>(call: &C, at: At<'_>, text: bool) -> impl Iterator<Item = Vec<u8>> {
    let Command { keys, args } = call.command(at);
    let script = if text { C::SCRIPT.source } else { C::SCRIPT.sha };
    let head = [script.as_bytes().to_vec(), keys.len().to_string().into_bytes()];
    head.into_iter().chain(keys).chain(args)
}
