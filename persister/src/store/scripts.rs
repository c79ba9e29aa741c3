//! Calling scripts by their digest.

use contract::scripts::Script;
use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, ServerErrorKind};

use super::{
    error::{Store, StoreError},
    servers::Servers,
};

/// A command that calls a script by its digest.
pub(crate) fn call<K: AsRef<str>>(script: &Script, keys: impl IntoIterator<Item = K>) -> Cmd {
    let keys: Vec<K> = keys.into_iter().collect();
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.sha).arg(keys.len());
    for key in &keys {
        command.arg(key.as_ref());
    }
    command
}

/// Sends a pipeline of script calls, once more after loading the scripts if a server does not know one. The scripts
/// called this way may all be repeated: each leaves the same state however often it runs.
pub(crate) async fn run_scripts<T: FromRedisValue>(
    servers: &mut Servers,
    calls: &Pipeline,
) -> Result<Vec<T>, StoreError> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let answers = match calls.query_async(servers).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            servers.load_scripts().await?;
            calls.query_async(servers).await
        }
        answers => answers,
    };
    answers.map_err(|error| short(&error).into())
}

/// The error of a pipeline repeats that of each of its commands; the first says enough.
pub(crate) fn short(error: &RedisError) -> RedisError {
    let text: String = error.to_string().chars().take(200).collect();
    RedisError::from((error.kind(), "a call failed", text))
}

/// Sends one script call.
pub(crate) async fn run_script<T: FromRedisValue>(servers: &mut Servers, call: Cmd) -> Result<T, StoreError> {
    let mut calls = redis::pipe();
    calls.add_command(call);
    run_scripts(servers, &calls)
        .await?
        .pop()
        .ok_or_else(|| StoreError::Answer(Store::Redis, "a script without an answer".to_owned()))
}
