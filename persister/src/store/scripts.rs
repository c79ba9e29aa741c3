//! Calling scripts, by their digest.

use contract::{
    Partition,
    scripts::{At, Call, Refusal, Reply, Value, send},
};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind};

use super::{
    error::{Store, StoreError},
    servers::Servers,
};

/// The outcome of a call: its answer, or why the script did nothing.
pub(crate) type Outcome<C> = Result<<C as Call>::Answer, Refusal>;

/// Sends calls, all at once, each to the server that has its partition. Returns the outcomes in the same order.
///
/// If a server does not know a script, loads the scripts and sends the calls again. That is safe: an unknown script did
/// nothing, and a script that ran leaves the same state when it runs again.
pub(crate) async fn call_all<C: Call>(servers: &mut Servers, calls: &[C]) -> Result<Vec<Outcome<C>>, StoreError> {
    let mut pipeline = redis::pipe();
    for call in calls {
        pipeline.add_command(command(servers, call)?);
    }
    Ok(replies(servers, &pipeline).await?.into_iter().map(Reply::read).collect())
}

/// Sends one call.
pub(crate) async fn call<C: Call>(servers: &mut Servers, call: &C) -> Result<Outcome<C>, StoreError> {
    let mut outcomes = call_all(servers, std::slice::from_ref(call)).await?;
    outcomes.pop().ok_or_else(|| StoreError::Answer(Store::Redis, "a script without an answer".to_owned()))
}

/// Sends calls and returns their answers. A refusal is an error.
pub(crate) async fn accepted<C: Call>(servers: &mut Servers, calls: &[C]) -> Result<Vec<C::Answer>, StoreError> {
    let outcomes = call_all(servers, calls).await?;
    calls.iter().zip(outcomes).map(|(call, outcome)| outcome.map_err(|refusal| refused(call, refusal))).collect()
}

/// A refusal as an error, for callers that cannot handle it.
pub(crate) fn refused<C: Call>(call: &C, refusal: Refusal) -> StoreError {
    StoreError::Refused(call.partition(), refusal)
}

/// Calls of several scripts, collected until there are enough to send. A refusal is an error.
#[derive(Default)]
pub(crate) struct Gathered {
    pipeline: Pipeline,
    partitions: Vec<Partition>,
}

impl Gathered {
    pub(crate) fn add<C: Call<Answer = ()>>(&mut self, servers: &Servers, call: &C) -> Result<(), StoreError> {
        self.pipeline.add_command(command(servers, call)?);
        self.partitions.push(call.partition());
        Ok(())
    }

    /// Sends the collected calls.
    pub(crate) async fn send(&mut self, servers: &mut Servers) -> Result<(), StoreError> {
        let Self { pipeline, partitions } = std::mem::take(self);
        for (partition, reply) in partitions.into_iter().zip(replies(servers, &pipeline).await?) {
            reply.read::<()>().map_err(|refusal| StoreError::Refused(partition, refusal))?;
        }
        Ok(())
    }
}

/// EVALSHA with the call's arguments. Nobody waits for the persister's calls, so they have no deadline.
fn command<C: Call>(servers: &Servers, call: &C) -> Result<Cmd, StoreError> {
    let mut command = redis::cmd("EVALSHA");
    let at = At { server: servers.name(call.partition())?, deadline_ms: None };
    for argument in send(call, at, false) {
        command.arg(argument);
    }
    Ok(command)
}

async fn replies(servers: &mut Servers, calls: &Pipeline) -> Result<Vec<Reply>, StoreError> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let answers: Vec<redis::Value> = match calls.query_async(servers).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            servers.load_scripts().await?;
            calls.query_async(servers).await
        }
        answers => answers,
    }
    .map_err(|error| short(&error))?;
    answers.into_iter().map(reply).collect()
}

fn reply(answer: redis::Value) -> Result<Reply, StoreError> {
    let unknown = || StoreError::Answer(Store::Redis, "a script answered in an unknown form".to_owned());
    let redis::Value::Array(values) = answer else { return Err(unknown()) };
    let value = |value| match value {
        redis::Value::Int(number) => Ok(Value::Int(number)),
        redis::Value::BulkString(bytes) => Ok(Value::Bytes(bytes)),
        redis::Value::SimpleString(text) => Ok(Value::Bytes(text.into_bytes())),
        _ => Err(unknown()),
    };
    Ok(Reply::new(values.into_iter().map(value).collect::<Result<_, _>>()?))
}

/// A pipeline's error repeats that of each of its commands; the beginning is enough.
pub(crate) fn short(error: &RedisError) -> RedisError {
    let text: String = error.to_string().chars().take(200).collect();
    RedisError::from((error.kind(), "a call failed", text))
}
