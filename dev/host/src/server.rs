//! The HTTP side: accepts connections, answers Spin's own paths, and passes other requests to components.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::uri::{Authority, Scheme, Uri};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::handler::ProxyHandler;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::instances::Instances;
use crate::routes::Routes;

/// Paths below this are Spin's own, whatever the manifest says.
const WELL_KNOWN: &str = "/.well-known/spin/";

/// How long the requests that are running may still take after SIGINT or SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// The components of an application by route.
pub(crate) type App = Routes<ProxyHandler<Instances>>;

/// Serves until `stop` is cancelled, then finishes the requests that are running.
pub(crate) async fn serve(listener: TcpListener, app: App, stop: CancellationToken) {
    let app = Arc::new(app);
    let connections = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, client)) => {
                connections.spawn(serve_connection(app.clone(), stream, client, stop.clone()));
            }
            Err(error) => {
                // Most likely there are no file descriptors left. During the pause some may be closed.
                tracing::warn!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!("{} connections were still busy", connections.len());
    }
}

async fn serve_connection(app: Arc<App>, stream: TcpStream, client: SocketAddr, stop: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("TCP_NODELAY: {error}");
    }
    let service = service_fn(|request| answer(&app, request, client));
    let mut connection = std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let served = if let Some(served) = stop.run_until_cancelled(connection.as_mut()).await {
        served
    } else {
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Err(error) = served {
        tracing::debug!("connection of {client}: {error}");
    }
}

/// Answers one request. An error closes the connection without an answer, as it does in Spin.
async fn answer(app: &App, request: Request<Incoming>, client: SocketAddr) -> Result<Response<WasiBody>> {
    let path = request.uri().path().to_owned();
    if let Some(own) = path.strip_prefix(WELL_KNOWN) {
        return Ok(match own {
            "health" => Response::new(Full::from("OK").map_err(|never| match never {}).boxed_unsync()),
            _ => empty(StatusCode::NOT_FOUND),
        });
    }
    let Some(found) = app.find(&path) else { return Ok(empty(StatusCode::NOT_FOUND)) };
    let mut request = request;
    request.headers_mut().remove(header::CONNECTION);
    *request.uri_mut() = absolute(&request)?;
    let uri = request.uri().clone();
    if let Err(error) = found.append_headers(&uri, request.headers_mut(), client) {
        tracing::error!("{path}: {error:#}");
        return Ok(empty(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let request = request.map(|body| body.map_err(Error::from).boxed_unsync());
    Ok(found.target().handle((), request).await.unwrap_or_else(|error| {
        tracing::error!("{path}: {error:#}");
        empty(StatusCode::INTERNAL_SERVER_ERROR)
    }))
}

/// The request's URI with scheme and authority. The URI and the Host header must not name different hosts, and one of them
/// must name a host.
fn absolute(request: &Request<Incoming>) -> Result<Uri> {
    let mut parts = request.uri().clone().into_parts();
    if let Some(host) = request.headers().get(header::HOST) {
        let host = host.to_str()?.parse::<Authority>().context("the Host header is not a host")?;
        ensure!(parts.authority.is_none_or(|authority| authority == host), "two different hosts are asked for");
        parts.authority = Some(host);
    }
    ensure!(parts.authority.is_some(), "the request has no Host header");
    parts.scheme = Some(Scheme::HTTP);
    Ok(Uri::from_parts(parts)?)
}

fn empty(status: StatusCode) -> Response<WasiBody> {
    let mut response = Response::new(Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}
