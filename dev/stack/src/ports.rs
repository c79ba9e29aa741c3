//! Free ports.

use anyhow::{Result, bail};
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;

/// Below Linux's default range of ephemeral ports (from 32768): while a service is down for a restart, no outgoing
/// connection of this machine can be given its port.
const FIRST: u16 = 15_000;
const COUNT: u64 = 15_000;

/// A port of 127.0.0.1 on which nothing listens now. Drawn by chance, so that stacks starting side by side do not meet.
pub(crate) fn free() -> Result<u16> {
    for attempt in 0..1_000_u64 {
        let port = FIRST + u16::try_from(RandomState::new().hash_one(attempt) % COUNT)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", u64::from(FIRST) + COUNT)
}
