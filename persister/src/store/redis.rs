//! Redis: connections that notice a stalled server, and scripts by their digest.

use std::time::Duration;

use contract::{Partition, keys, scripts::Script};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind,
    Value, aio::MultiplexedConnection,
};

/// The consumer group of the relays, on every outbox.
pub(crate) const RELAY_GROUP: &str = "relay";

const CONNECT: Duration = Duration::from_secs(3);
/// A script over a partition's share of a rebuild takes milliseconds; a server that says nothing for so long has stalled.
const ANSWER: Duration = Duration::from_secs(10);

/// Where Redis is.
#[derive(Clone)]
pub(crate) struct Redis(Client);

impl Redis {
    pub(crate) fn new(url: &str) -> RedisResult<Self> {
        Client::open(url).map(Self)
    }

    /// Opens a connection of its own. It never reconnects by itself, so that whoever holds it learns of a restart.
    pub(crate) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(ANSWER));
        self.0.get_multiplexed_async_connection_with_config(&config).await
    }
}

/// The id that a server gives itself at each start (<https://redis.io/docs/latest/commands/info/>, `run_id`).
pub(crate) async fn run_id(connection: &mut MultiplexedConnection) -> RedisResult<String> {
    let info: String = redis::cmd("INFO").arg("server").query_async(connection).await?;
    run_id_of(&info)
}

/// A value of INFO's answer.
pub(crate) fn word_of<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The same of a number; 0 if the server does not know the name.
pub(crate) fn number_of(info: &str, name: &str) -> u64 {
    word_of(info, name).and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn run_id_of(info: &str) -> RedisResult<String> {
    word_of(info, "run_id")
        .map(str::to_owned)
        .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "INFO server has no run_id")))
}

/// A command that calls a script by its digest.
pub(crate) fn call<K: AsRef<str>>(script: &Script, keys: impl IntoIterator<Item = K>) -> redis::Cmd {
    let keys: Vec<K> = keys.into_iter().collect();
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.sha).arg(keys.len());
    for key in &keys {
        command.arg(key.as_ref());
    }
    command
}

/// Sends a pipeline of script calls, once more after loading the scripts if the server does not know one. The scripts
/// called this way may all be repeated: each leaves the same state however often it runs.
pub(crate) async fn run_scripts<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    calls: &Pipeline,
) -> RedisResult<Vec<T>> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let answers = match calls.query_async(connection).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            let mut load = redis::pipe();
            for script in contract::scripts::ALL {
                load.cmd("SCRIPT").arg("LOAD").arg(script.source).ignore();
            }
            load.exec_async(connection).await?;
            calls.query_async(connection).await
        }
        answers => answers,
    };
    answers.map_err(|error| short(&error))
}

/// The error of a pipeline repeats that of each of its commands; the first says enough.
fn short(error: &RedisError) -> RedisError {
    let text: String = error.to_string().chars().take(200).collect();
    RedisError::from((error.kind(), "a script call failed", text))
}

/// Sends one script call.
pub(crate) async fn run_script<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    call: redis::Cmd,
) -> RedisResult<T> {
    let mut calls = redis::pipe();
    calls.add_command(call);
    run_scripts(connection, &calls)
        .await?
        .pop()
        .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "a script without an answer")))
}

/// Makes the relay's group wherever it is missing, from the stream's beginning.
pub(crate) async fn make_groups(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let mut create = redis::pipe();
    create.ignore_errors();
    for partition in Partition::all() {
        create.cmd("XGROUP").arg("CREATE").arg(keys::outbox(partition)).arg(RELAY_GROUP).arg(0).arg("MKSTREAM");
    }
    let answers: Vec<RedisResult<Value>> = create.query_async(connection).await?;
    for answer in answers {
        match answer {
            Err(error) if error.code() != Some("BUSYGROUP") => return Err(error),
            _ => (),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_id_is_found_in_the_servers_own_words() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:0123abc\r\ntcp_port:6379\r\n";
        assert_eq!(run_id_of(info).expect("there is one"), "0123abc");
        assert!(run_id_of("# Server\r\n").is_err());
    }
}
