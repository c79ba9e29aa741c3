//! One connection, and what is known of the server at its end.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use contract::{Address, Topology};
use futures::future::join3;
use spin_sdk::redis::{Connection, Error, RedisParameter, RedisResult};

use super::{
    Answer, Invocation,
    answer::text,
    kept,
    url::{host_of, url_of},
};
use crate::{Deadline, log::without_url};

/// A server that has become another, by a promotion, is asked for its name again, but not by every request that finds a
/// partition cold.
const RENAMED: Duration = Duration::from_secs(1);

/// A connection with what it knows of its server. It serves many requests of its instance at once.
pub(super) struct Redis {
    connection: Connection,
    /// In a cluster; else the URL says it all.
    pub(super) address: Option<Address>,
    /// Names the server process and the history that its data is of; each script compares it with the partition's warm
    /// marker.
    server: String,
    /// The server's clock, in ms, at `learned`.
    store_ms: i64,
    pub(super) learned: Instant,
    /// Whether the last call was given up early. It may well be in order; twice in a row it is not.
    pub(super) slow: Cell<bool>,
}

/// What a server of a cluster says of keys that another has (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#moved-redirection>).
pub(super) fn is_moved(error: &Error) -> bool {
    matches!(error, Error::Other(reason) if reason.to_ascii_lowercase().contains("moved: "))
}

/// Whether the server itself says no: the client names its errors by one word before a colon, and those of the connection
/// by a sentence. One that has become a replica is another server than the connection was made to.
pub(super) fn is_refused(error: &Error) -> bool {
    let Error::Other(reason) = error else { return false };
    let reason = reason.strip_prefix("An error was signalled by the server - ").unwrap_or(reason);
    reason.split_once(": ").is_some_and(|(code, _)| {
        code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'"') && !code.eq_ignore_ascii_case("readonly")
    })
}

impl Redis {
    pub(super) async fn open(url: &str, address: Option<Address>) -> Result<Self, Error> {
        let connection = match &address {
            Some(address) => Connection::open(&url_of(url, address)).await?,
            None => Connection::open(url).await?,
        };
        if cfg!(feature = "connection-per-request")
            && let Some(known) = kept::connection(address.as_ref())
        {
            let (server, store_ms, learned) = (known.server.clone(), known.store_ms, known.learned);
            return Ok(Self { connection, address, server, store_ms, learned, slow: Cell::new(false) });
        }
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
        let (run_id, replid) = (word(&server?, "run_id:"), word(&replication?, "master_replid:"));
        let server = run_id.zip(replid).map(|(run, replication)| format!("{run}:{replication}")).ok_or_else(strange)?;
        let time = time?;
        let part = |at: usize| time.get(at).and_then(text)?.parse::<i64>().ok();
        let (seconds, micros) = part(0).zip(part(1)).ok_or_else(strange)?;
        let store_ms = seconds * 1000 + micros / 1000;
        Ok(Self { connection, address, server, store_ms, learned, slow: Cell::new(false) })
    }

    /// Asks which server has which partition.
    pub(super) async fn learn_topology(&self, url: &str) {
        let asked = self.address.as_ref().map_or_else(|| host_of(url), |address| &address.host);
        let answer = self.connection.execute("CLUSTER", [RedisParameter::Binary(b"NODES".to_vec())]).await;
        let topology = match &answer {
            Ok(answer) => answer.first().and_then(text).map(|nodes| Topology::parse(nodes, asked)),
            Err(error) => {
                eprintln!("redis: CLUSTER NODES: {}", without_url(error, url));
                None
            }
        };
        kept::set_topology(topology);
    }

    /// Past its deadline by the server's clock, not by ours, or cold while it may have become another server: what this
    /// connection knows of it is wrong.
    pub(super) fn is_outdated_by(&self, answer: &Answer) -> bool {
        answer.word() == "LATE" || (answer.word() == "COLD" && self.learned.elapsed() > RENAMED)
    }

    pub(super) async fn call(&self, call: &Invocation, deadline: Deadline) -> Result<Answer, Error> {
        let parameters = |script: &str| {
            let mut all = Vec::with_capacity(4 + call.keys.len() + call.args.len());
            let binary = |text: &str| RedisParameter::Binary(text.as_bytes().to_vec());
            all.push(binary(script));
            all.push(binary(&call.keys.len().to_string()));
            all.extend(call.keys.iter().map(|key| binary(key)));
            all.push(binary(&self.server));
            if call.deadline {
                all.push(binary(&deadline.by_clock(self.learned, self.store_ms).to_string()));
            }
            all.extend(call.args.iter().map(|arg| binary(arg)));
            all
        };
        let answer = match self.connection.execute("EVALSHA", parameters(call.script.sha)).await {
            // Nothing was done: the server does not know the script yet, and will after this.
            Err(Error::Other(reason)) if reason.to_ascii_lowercase().contains("noscript") => {
                self.connection.execute("EVAL", parameters(call.script.source)).await?
            }
            other => other?,
        };
        Ok(Answer(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_is_elsewhere_is_told_from_other_errors() {
        let error = |text: &str| Error::Other(text.to_owned());
        assert!(is_moved(&error("Moved: 3999 127.0.0.1:7001")));
        assert!(is_moved(&error("An error was signalled by the server - Moved: 3999 127.0.0.1:7001")));
        assert!(!is_moved(&error("ResponseError: a key was removed")));
    }

    #[test]
    fn what_a_server_refuses_is_told_from_a_broken_connection() {
        let refused = |text: &str| is_refused(&Error::Other(text.to_owned()));
        for text in [
            "\"OOM\": command not allowed when used memory > 'maxmemory'.",
            "OOM: command not allowed when used memory > 'maxmemory'.",
            "ClusterDown: Hash slot not served",
            "An error was signalled by the server - ResponseError: user_script:12: oh",
        ] {
            assert!(refused(text), "{text}");
        }
        for text in [
            "Connection reset by peer (os error 104)",
            "Multiplexed connection driver unexpectedly terminated - Io",
            "failed to lookup address information: Name or service not known",
            "ReadOnly: You can't write against a read only replica.",
            "unexpected end of file",
        ] {
            assert!(!refused(text), "{text}");
        }
    }
}
