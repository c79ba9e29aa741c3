//! `spin:redis`: one TCP connection for every `open`. The component's concurrent calls share it.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, ErrorKind, RedisError, Value};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Accessor, HasSelf, Resource};

use crate::bindings::spin::redis::redis as wit;
use crate::guest::Guest;
use crate::outbound::Scheme;

/// The connection behind a component's connection resource. A clone is the same connection.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Connection {
    client: MultiplexedConnection,
    _permit: Option<Arc<OwnedSemaphorePermit>>,
}

impl wit::Host for Guest {}

impl wit::HostConnection for Guest {
    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

/// The client behind a resource. It is cloned out of the store, so that no call holds the store while it waits for an answer.
fn client<T>(
    accessor: &Accessor<T, HasSelf<Guest>>,
    connection: &Resource<Connection>,
) -> Result<MultiplexedConnection, wit::Error> {
    accessor.with(|mut access| {
        let connection = access.get().table.get(connection);
        connection.map(|connection| connection.client.clone()).map_err(|error| wit::Error::Other(error.to_string()))
    })
}

// The text is passed on unchanged, because components read it: they recognise NOSCRIPT by it.
#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn other(error: RedisError) -> wit::Error {
    wit::Error::Other(error.to_string())
}

impl<T: Send> wit::HostConnectionWithStore<T> for HasSelf<Guest> {
    async fn open(accessor: &Accessor<T, Self>, address: String) -> Result<Resource<Connection>, wit::Error> {
        let component = accessor.with(|mut access| access.get().component.clone());
        if !component.allowed_hosts.allows(&address, Scheme::Redis) {
            return Err(wit::Error::InvalidAddress);
        }
        let permit = component.limits.redis().await;
        // As in Spin there are no time-outs: the caller must limit its wait.
        let client = redis::Client::open(address).map_err(|_| wit::Error::InvalidAddress)?;
        let client = client.get_multiplexed_async_connection().await.map_err(other)?;
        let connection = Connection { client, _permit: permit };
        accessor.with(|mut access| access.get().table.push(connection)).map_err(|_| wit::Error::TooManyConnections)
    }

    async fn publish(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        channel: String,
        payload: wit::Payload,
    ) -> Result<(), wit::Error> {
        client(accessor, &connection)?.publish(channel, payload).await.map_err(other)
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<Option<wit::Payload>, wit::Error> {
        client(accessor, &connection)?.get(key).await.map_err(other)
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        value: wit::Payload,
    ) -> Result<(), wit::Error> {
        client(accessor, &connection)?.set(key, value).await.map_err(other)
    }

    async fn incr(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<i64, wit::Error> {
        client(accessor, &connection)?.incr(key, 1).await.map_err(other)
    }

    async fn del(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        keys: Vec<String>,
    ) -> Result<u32, wit::Error> {
        client(accessor, &connection)?.del(keys).await.map_err(other)
    }

    async fn sadd(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        values: Vec<String>,
    ) -> Result<u32, wit::Error> {
        client(accessor, &connection)?.sadd(key, values).await.map_err(|error| match error.kind() {
            ErrorKind::TypeError => wit::Error::TypeError,
            _ => other(error),
        })
    }

    async fn smembers(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<Vec<String>, wit::Error> {
        client(accessor, &connection)?.smembers(key).await.map_err(other)
    }

    async fn srem(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        values: Vec<String>,
    ) -> Result<u32, wit::Error> {
        client(accessor, &connection)?.srem(key, values).await.map_err(other)
    }

    async fn execute(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        command: String,
        arguments: Vec<wit::RedisParameter>,
    ) -> Result<Vec<wit::RedisResult>, wit::Error> {
        let mut client = client(accessor, &connection)?;
        let mut command = redis::cmd(&command);
        for argument in arguments {
            match argument {
                wit::RedisParameter::Int64(number) => command.arg(number),
                wit::RedisParameter::Binary(bytes) => command.arg(bytes),
            };
        }
        let answer = command.query_async::<Value>(&mut client).await.map_err(other)?;
        let mut results = Vec::new();
        flatten(answer, &mut results)?;
        Ok(results)
    }
}

/// Lays an answer out as Spin does: arrays of any depth become one list, and a double becomes its text.
fn flatten(value: Value, results: &mut Vec<wit::RedisResult>) -> Result<(), wit::Error> {
    use wit::RedisResult::{Binary, Int64, Nil, Status};
    results.push(match value {
        Value::Nil => Nil,
        Value::Int(number) => Int64(number),
        Value::Boolean(truth) => Int64(truth.into()),
        Value::BulkString(bytes) => Binary(bytes),
        Value::SimpleString(text) => Status(text),
        Value::Okay => Status("OK".into()),
        Value::Double(number) => Binary(number.to_string().into()),
        Value::Array(values) | Value::Set(values) => {
            return values.into_iter().try_for_each(|value| flatten(value, results));
        }
        Value::ServerError(error) => return Err(other(error.into())),
        unsupported => {
            return Err(wit::Error::Other(format!("Redis answered with an unsupported type: {unsupported:?}")));
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_laid_out_flat() {
        use wit::RedisResult::{Binary, Int64, Nil, Status};
        let nested = Value::Array(vec![
            Value::Int(1),
            Value::Array(vec![Value::Nil, Value::BulkString(b"a".into())]),
            Value::Okay,
            Value::Array(vec![]),
        ]);
        let mut results = Vec::new();
        flatten(nested, &mut results).unwrap();
        assert!(matches!(
            results.as_slice(),
            [Int64(1), Nil, Binary(bytes), Status(ok)] if bytes == b"a" && ok == "OK"
        ));
        assert!(flatten(Value::Map(vec![]), &mut results).is_err());
    }
}
