//! `spin:mysql`: one TCP connection for every `open`. Its statements run one after the other. As in Spin, a query goes
//! on in the host when the component stops waiting for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::TryStreamExt;
use mysql_async::{Conn, Opts, OptsBuilder, Params, SslOpts, prelude::Queryable};
use tokio::sync::{Mutex, OwnedSemaphorePermit, mpsc, oneshot};
use url::Url;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Accessor, Destination, FutureReader, HasSelf, Resource, StreamProducer, StreamReader, StreamResult,
};

use crate::bindings::spin::mysql::mysql as wit;
use crate::columns::{self, data_type};
use crate::guest::Guest;
use crate::outbound::Scheme;

/// The connection behind a component's connection resource. A clone is the same connection.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Connection {
    client: Arc<Mutex<Conn>>,
    _permit: Option<Arc<OwnedSemaphorePermit>>,
}

/// The columns, the rows as they arrive, and after the last row whether all of them came.
type Answer = (Vec<wit::Column>, StreamReader<wit::Row>, FutureReader<Result<(), wit::Error>>);

/// How many rows the host reads ahead of the component, the same number as in Spin.
const READ_AHEAD: usize = 4;

impl wit::Host for Guest {}

impl wit::HostConnection for Guest {
    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

fn client<T>(
    accessor: &Accessor<T, HasSelf<Guest>>,
    connection: &Resource<Connection>,
) -> Result<Arc<Mutex<Conn>>, wit::Error> {
    accessor.with(|mut access| {
        let connection = access.get().table.get(connection);
        connection.map(|connection| connection.client.clone()).map_err(|error| wit::Error::Other(error.to_string()))
    })
}

// The text has the same form as in Spin, because components read it: they recognise deadlocks by it.
fn failed(error: &mysql_async::Error) -> wit::Error {
    wit::Error::QueryFailed(format!("{error:?}"))
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn other(error: impl ToString) -> wit::Error {
    wit::Error::Other(error.to_string())
}

impl<T: Send> wit::HostConnectionWithStore<T> for HasSelf<Guest> {
    async fn open(accessor: &Accessor<T, Self>, address: String) -> Result<Resource<Connection>, wit::Error> {
        let component = accessor.with(|mut access| access.get().component.clone());
        if !component.allowed_hosts.allows(&address, Scheme::Mysql) {
            // As in Spin, the error contains the whole address, so a component must not pass it on unchanged.
            return Err(wit::Error::ConnectionFailed(format!("address {address} is not permitted")));
        }
        let permit = component.limits.mysql().await;
        let client = Conn::new(options(&address)?).await;
        let client = client.map_err(|error| wit::Error::ConnectionFailed(format!("{error:?}")))?;
        let connection = Connection { client: Arc::new(Mutex::new(client)), _permit: permit };
        accessor.with(|mut access| access.get().table.push(connection)).map_err(other)
    }

    async fn execute(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        params: Vec<wit::ParameterValue>,
    ) -> Result<(), wit::Error> {
        let client = client(accessor, &connection)?;
        let mut client = client.lock().await;
        client.exec_drop(statement, columns::parameters(params)).await.map_err(|error| failed(&error))
    }

    async fn query(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        params: Vec<wit::ParameterValue>,
    ) -> Result<Answer, wit::Error> {
        let client = client(accessor, &connection)?;
        let (columns_sender, columns) = oneshot::channel();
        let (row_sender, rows) = mpsc::channel(READ_AHEAD);
        let (end_sender, end) = oneshot::channel();
        tokio::spawn(async move {
            let params = columns::parameters(params);
            let end = send_rows(&client, &statement, params, columns_sender, row_sender).await;
            if let Err(error) = &end {
                tracing::warn!("MySQL query: {error:?}");
            }
            // An error here means that the component no longer waits.
            let _ = end_sender.send(end);
        });
        // Like Spin, lose the reason of a failure before the first row. The log has it.
        let columns = columns.await.map_err(|_| other("the query failed before its first row"))?;
        accessor.with(|mut access| {
            let rows = StreamReader::new(&mut access, Rows(rows)).map_err(other)?;
            let end = FutureReader::new(&mut access, end).map_err(other)?;
            Ok((columns, rows, end))
        })
    }
}

/// Runs a statement and passes on its columns and rows. Holds the connection until the component has taken them all.
async fn send_rows(
    client: &Mutex<Conn>,
    statement: &str,
    params: Params,
    columns: oneshot::Sender<Vec<wit::Column>>,
    rows: mpsc::Sender<wit::Row>,
) -> Result<(), wit::Error> {
    let mut client = client.lock().await;
    let mut result = client.exec_iter(statement, params).await.map_err(|error| failed(&error))?;
    let described = result.columns().unwrap_or_default();
    let name = |column: &mysql_async::Column| column.name_str().into_owned();
    let described: Vec<_> =
        described.iter().map(|column| wit::Column { name: name(column), data_type: data_type(column) }).collect();
    let _ = columns.send(described.clone());
    let stream = result.stream::<mysql_async::Row>().await.map_err(other)?;
    let mut stream = stream.ok_or_else(|| other("the statement has no result"))?;
    while let Some(row) = stream.try_next().await.map_err(other)? {
        let values = row.unwrap().into_iter().zip(&described);
        let values = values.map(|(value, column)| columns::value(value, column)).collect::<Result<_, _>>()?;
        rows.send(values).await.map_err(|_| other("the component stopped reading rows"))?;
    }
    Ok(())
}

/// Rows on their way to the component.
struct Rows(mpsc::Receiver<wit::Row>);

impl<D> StreamProducer<D> for Rows {
    type Item = wit::Row;
    type Buffer = Option<wit::Row>;

    fn poll_produce(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        mut destination: Destination<'_, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of zero items only asks whether a row is there. An item produced now would be lost.
        if destination.remaining(store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        Poll::Ready(Ok(match self.0.poll_recv(context) {
            Poll::Ready(Some(row)) => {
                destination.set_buffer(Some(row));
                StreamResult::Completed
            }
            Poll::Ready(None) => StreamResult::Dropped,
            Poll::Pending if finish => StreamResult::Cancelled,
            Poll::Pending => return Poll::Pending,
        }))
    }
}

/// Connection options of a `mysql://` address, as Spin makes them. The client library does not know `ssl-mode`: any
/// value except `disabled` means TLS with full verification of the certificate. Nothing else asks for TLS, not even
/// `require_ssl`.
fn options(address: &str) -> Result<Opts, wit::Error> {
    let invalid = |reason: String| wit::Error::ConnectionFailed(format!("invalid address: {reason}"));
    let mut url = Url::parse(address).map_err(|error| invalid(error.to_string()))?;
    let is_tls = |name: &str| ["ssl-mode", "sslmode"].contains(&name.to_lowercase().as_str());
    let (modes, rest): (Vec<_>, Vec<_>) = url.query_pairs().into_owned().partition(|(name, _)| is_tls(name));
    let tls = modes.iter().any(|(_, mode)| !mode.eq_ignore_ascii_case("disabled"));
    url.query_pairs_mut().clear().extend_pairs(rest);
    let options = Opts::from_url(url.as_str()).map_err(|error| invalid(error.to_string()))?;
    Ok(OptsBuilder::from_opts(options).ssl_opts(tls.then(SslOpts::default)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_by_its_ssl_mode_whether_it_wants_tls() {
        let plain = options("mysql://user:p%40ss@127.0.0.1:3307/db").unwrap();
        assert_eq!((plain.tcp_port(), plain.pass(), plain.db_name()), (3307, Some("p@ss"), Some("db")));
        let wants_tls =
            |query: &str| options(&format!("mysql://user@127.0.0.1/db?{query}")).unwrap().ssl_opts().is_some();
        assert!(wants_tls("ssl-mode=VERIFY_IDENTITY") && wants_tls("prefer_socket=false&sslMode=REQUIRED"));
        assert!(!wants_tls("ssl-mode=DISABLED") && !wants_tls("require_ssl=true"));
        assert!(options("127.0.0.1").is_err());
    }
}
