//! One connection, and the meaning of its errors.

use std::{cell::Cell, time::Instant};

use contract::{Address, Topology};
use spin_sdk::redis::{Connection, Error, RedisParameter, RedisResult};

use super::{
    answer::text,
    pending::Pending,
    server::Server,
    state::Outcome,
    url::{host_of, url_of},
};
use crate::{Deadline, log::without_url};

/// A connection with what it knows of its server. It serves many requests of its instance at once.
pub(super) struct Redis {
    connection: Connection,
    /// The server's address in a cluster. Without a cluster the URL has it.
    pub(super) address: Option<Address>,
    pub(super) server: Server,
    /// When the last request began that gave up a call early, if no call was answered since. The connection may still
    /// be good. If a second request in a row gives up, it is not.
    pub(super) given_up: Cell<Option<Instant>>,
}

/// Whether a server of a cluster says that another has the keys
/// (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#moved-redirection>).
fn is_moved(error: &Error) -> bool {
    let Error::Other(reason) = error else { return false };
    let reason = reason.to_ascii_lowercase();
    // A script is sent to the server of its first key. The second text is the error if another of its keys is elsewhere.
    reason.contains("moved: ") || reason.contains("non local key")
}

/// Whether the server itself refused. The client writes a server's error as one word before a colon, and an error of the
/// connection as a sentence. `READONLY` does not count: the server has become a replica, so another one is the master now.
fn is_rejected(error: &Error) -> bool {
    let Error::Other(reason) = error else { return false };
    let reason = reason.strip_prefix("An error was signalled by the server - ").unwrap_or(reason);
    reason.split_once(": ").is_some_and(|(code, _)| {
        code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'"') && !code.eq_ignore_ascii_case("readonly")
    })
}

impl From<&Error> for Outcome {
    fn from(error: &Error) -> Self {
        match error {
            error if is_moved(error) => Self::Moved,
            error if is_rejected(error) => Self::Rejected,
            _ => Self::Broken,
        }
    }
}

impl Redis {
    pub(super) async fn open(url: &str, address: Option<Address>) -> Result<Self, Error> {
        let connection = match &address {
            Some(address) => Connection::open(&url_of(url, address)).await?,
            None => Connection::open(url).await?,
        };
        let server = Server::learn(&connection).await?;
        Ok(Self { connection, address, server, given_up: Cell::default() })
    }

    /// Asks which server has which partition. `None` if the server does not answer that.
    pub(super) async fn topology(&self, url: &str) -> Option<Topology> {
        let asked = self.address.as_ref().map_or_else(|| host_of(url), |address| &address.host);
        let answer = self.connection.execute("CLUSTER", [RedisParameter::Binary(b"NODES".to_vec())]).await;
        match &answer {
            Ok(answer) => answer.first().and_then(text).map(|nodes| Topology::parse(nodes, asked)),
            Err(error) => {
                eprintln!("redis: CLUSTER NODES: {}", without_url(error, url));
                None
            }
        }
    }

    pub(super) async fn send(&self, call: &dyn Pending, deadline: Deadline) -> Result<Vec<RedisResult>, Error> {
        let at = self.server.at(deadline);
        match self.connection.execute("EVALSHA", call.parameters(at, false)).await {
            // The server does not know the script, so it did nothing. EVAL runs the script and makes the server know it.
            Err(Error::Other(reason)) if reason.to_ascii_lowercase().contains("noscript") => {
                self.connection.execute("EVAL", call.parameters(at, true)).await
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Outcome {
        Outcome::from(&Error::Other(text.to_owned()))
    }

    #[test]
    fn the_errors_of_a_moved_partition_are_recognised() {
        assert_eq!(outcome("Moved: 3999 127.0.0.1:7001"), Outcome::Moved);
        assert_eq!(outcome("An error was signalled by the server - Moved: 3999 127.0.0.1:7001"), Outcome::Moved);
        let in_script = "ResponseError: Script attempted to access a non local key in a cluster node script: 0af7";
        assert_eq!(outcome(in_script), Outcome::Moved);
        assert_eq!(outcome("ResponseError: a key was removed"), Outcome::Rejected);
    }

    #[test]
    fn a_refusal_of_the_server_is_no_broken_connection() {
        for text in [
            "\"OOM\": command not allowed when used memory > 'maxmemory'.",
            "OOM: command not allowed when used memory > 'maxmemory'.",
            "ClusterDown: Hash slot not served",
            "An error was signalled by the server - ResponseError: user_script:12: oh",
        ] {
            assert_eq!(outcome(text), Outcome::Rejected, "{text}");
        }
        for text in [
            "Connection reset by peer (os error 104)",
            "Multiplexed connection driver unexpectedly terminated - Io",
            "failed to lookup address information: Name or service not known",
            "ReadOnly: You can't write against a read only replica.",
            "unexpected end of file",
        ] {
            assert_eq!(outcome(text), Outcome::Broken, "{text}");
        }
    }
}
