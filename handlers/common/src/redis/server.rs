//! The name and the clock of the server at the end of a connection.

use std::time::{Duration, Instant};

use contract::scripts::{At, Refusal};
use futures::future::join3;
use spin_sdk::redis::{Connection, Error, RedisParameter, RedisResult};

use super::answer::text;
use crate::Deadline;

/// For how long a name is trusted if a partition is cold. A promotion gives a server another name, so an older name is
/// asked for again. A younger name is not, so that not every request that finds a partition cold asks.
const RENAMED: Duration = Duration::from_secs(1);

/// A server's name and clock.
pub struct Server {
    /// Names the server's process and the history of its data. Each script compares the name with the partition's warm
    /// marker.
    name: String,
    /// The server's clock, in ms, at `learned`.
    clock_ms: i64,
    pub(super) learned: Instant,
    pub(super) is_of_cluster: bool,
}

impl Server {
    /// Asks the server for its name and its clock.
    pub async fn learn(connection: &Connection) -> Result<Self, Error> {
        let section = |name: &str| [RedisParameter::Binary(name.as_bytes().to_vec())];
        let (server, replication, time) = join3(
            connection.execute("INFO", section("server")),
            connection.execute("INFO", section("replication")),
            connection.execute("TIME", []),
        )
        .await;
        let learned = Instant::now();
        let strange = || Error::Other("INFO or TIME answered something else".to_owned());
        let word = |info: &[RedisResult], name: &str| {
            let mut lines = info.first().and_then(text)?.lines();
            lines.find_map(|line| line.strip_prefix(name)).map(|word| word.trim().to_owned())
        };
        let server = server?;
        // The second name is Valkey's.
        let mode = word(&server, "redis_mode:").or_else(|| word(&server, "server_mode:"));
        let is_of_cluster = mode.is_some_and(|mode| mode == "cluster");
        let (run_id, replid) = (word(&server, "run_id:"), word(&replication?, "master_replid:"));
        let name = run_id.zip(replid).map(|(run, replication)| format!("{run}:{replication}")).ok_or_else(strange)?;
        let time = time?;
        let part = |at: usize| time.get(at).and_then(text)?.parse::<i64>().ok();
        let (seconds, micros) = part(0).zip(part(1)).ok_or_else(strange)?;
        Ok(Self { name, clock_ms: seconds * 1000 + micros / 1000, learned, is_of_cluster })
    }

    /// Returns what every call of a script sends: the server's name, and the deadline by the server's clock.
    #[must_use]
    pub fn at(&self, deadline: Deadline) -> At<'_> {
        At { server: &self.name, deadline_ms: Some(deadline.by_clock(self.learned, self.clock_ms)) }
    }

    /// Whether a refusal shows that the name or the clock known here is outdated. Either the deadline has passed by the
    /// server's clock and not by ours, or a partition is cold and the server may have another name by now.
    pub(super) fn is_outdated_by(&self, refusal: Refusal) -> bool {
        refusal == Refusal::Late || (refusal == Refusal::Cold && self.learned.elapsed() > RENAMED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_have_changed_since_is_asked_for_again() {
        let learned = |ago: Duration| Server {
            name: String::new(),
            clock_ms: 0,
            is_of_cluster: false,
            learned: Instant::now().checked_sub(ago).expect("the machine has run for longer"),
        };
        let (new, old) = (learned(Duration::ZERO), learned(2 * RENAMED));
        assert!(new.is_outdated_by(Refusal::Late) && old.is_outdated_by(Refusal::Late));
        assert!(!new.is_outdated_by(Refusal::Cold) && old.is_outdated_by(Refusal::Cold));
        assert!(!old.is_outdated_by(Refusal::Full) && !old.is_outdated_by(Refusal::Barred));
    }
}
