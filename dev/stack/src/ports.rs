//! Free ports.

use anyhow::{Result, bail};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Below Linux's default range of ephemeral ports (from 32768): while a service is down for a restart, no outgoing
/// connection of this machine can be given its port.
const FIRST: u16 = 15_000;
const COUNT: u64 = 15_000;

/// A port between its drawing and its use, or that of a service which is down, looks free: none is drawn twice.
static DRAWN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port of 127.0.0.1 on which nothing listens now. Drawn by chance, so that stacks starting side by side do not meet.
pub(crate) fn free() -> Result<u16> {
    Ok(listener()?.local_addr()?.port())
}

/// A socket that listens on such a port. Who can use it should: after closing it the port may still be taken for a
/// moment, by a child process that another thread has forked and that has not executed its program yet.
pub(crate) fn listener() -> Result<TcpListener> {
    for attempt in 0..1_000_u64 {
        let port = FIRST + u16::try_from(RandomState::new().hash_one(attempt) % COUNT)?;
        if !DRAWN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            continue;
        }
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return Ok(listener);
        }
    }
    bail!("no free port between {FIRST} and {}", u64::from(FIRST) + COUNT)
}
