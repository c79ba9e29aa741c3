//! The texts of the scripts, with their includes resolved and their digests computed at build time.

/// A script as Redis runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// The file's name without `.lua`.
    pub name: &'static str,
    /// The whole text, for EVAL.
    pub source: &'static str,
    /// SHA-1 of the text in lower-case hex, for EVALSHA (<https://redis.io/docs/latest/commands/evalsha/>).
    pub sha: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/scripts.rs"));
