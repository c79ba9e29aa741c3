//! What a server of Redis reports about itself.

use redis::{ErrorKind, RedisError, RedisResult, aio::MultiplexedConnection};

/// A server's names (<https://redis.io/docs/latest/commands/info/>).
pub(super) struct Names {
    /// The server and the history of its data: `run_id`, which is new at each start, and `master_replid`, which changes
    /// when the server becomes a replica and when it is promoted.
    pub(super) name: String,
    /// The replication id of the former master, if the server was promoted.
    pub(super) former: String,
}

pub(super) async fn names(connection: &mut MultiplexedConnection) -> RedisResult<Names> {
    let mut ask = redis::pipe();
    ask.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let (server, replication): (String, String) = ask.query_async(connection).await?;
    match (word_of(&server, "run_id"), word_of(&replication, "master_replid")) {
        (Some(run_id), Some(replid)) => Ok(Names {
            name: format!("{run_id}:{replid}"),
            former: word_of(&replication, "master_replid2").unwrap_or_default().to_owned(),
        }),
        _ => Err(RedisError::from((ErrorKind::UnexpectedReturnType, "INFO has no run_id or no master_replid"))),
    }
}

/// A value of INFO's answer.
pub(crate) fn word_of<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// A number of INFO's answer; 0 if the server does not know the name.
pub(crate) fn number_of(info: &str, name: &str) -> u64 {
    word_of(info, name).and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_the_servers_own_words() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:0123abc\r\ntcp_port:6379\r\n";
        assert_eq!(word_of(info, "run_id"), Some("0123abc"));
        assert_eq!(word_of(info, "run"), None);
    }
}
