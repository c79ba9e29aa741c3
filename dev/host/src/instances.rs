//! When instances of a component are made, shared and dropped. The work is done by `wasmtime-wasi-http`, which Spin
//! uses too; the figures here are Spin's defaults: 128 requests to an instance, 16 of them at once, dropped after 1 s
//! idle, and no time-out for a request.
//!
//! Source: the options `--max-instance-reuse-count`, `--max-instance-concurrent-reuse-count`, `--request-timeout` and
//! `--idle-instance-timeout` of Spin 4.1's HTTP trigger.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::time::Sleep;
use wasmtime::component::{GuestTaskId, Linker};
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, Proxy, ProxyHandler, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::p3::bindings::ServicePre;

use crate::guest::{Component, Guest};

const REQUESTS_PER_INSTANCE: usize = 128;
const REQUESTS_AT_ONCE: usize = 16;
const IDLE: Duration = Duration::from_secs(1);

/// The instances of one component.
pub(crate) struct Instances {
    component: Arc<Component>,
    service: ServicePre<Guest>,
}

impl Instances {
    /// Compiles the component in the file `source` and links it; it must export the WASI 0.3 HTTP handler.
    pub(crate) fn load(
        engine: &Engine,
        linker: &Linker<Guest>,
        source: &Path,
        component: Component,
    ) -> Result<ProxyHandler<Self>> {
        let load = || {
            let compiled = wasmtime::component::Component::from_file(engine, source)?;
            ServicePre::new(linker.instantiate_pre(&compiled)?)
        };
        let service =
            load().map_err(anyhow::Error::from).with_context(|| format!("{} cannot be run", source.display()))?;
        Ok(ProxyHandler::new(Self { component: Arc::new(component), service }))
    }
}

impl HandlerState for Instances {
    type StoreData = Guest;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Guest, Expiration, Worker>> {
        let mut store = Guest::store(self.service.engine(), self.component.clone());
        let proxy = Proxy::P3(self.service.instantiate_async(&mut store).await?);
        let expiration = Expiration { sleep: Box::pin(tokio::time::sleep(IDLE)) };
        Ok(Instance { store, proxy, view: Guest::http, expiration, state: Worker })
    }
}

/// Ends an instance that has been idle for long enough.
pub(crate) struct Expiration {
    sleep: Pin<Box<Sleep>>,
}

impl WorkerExpiration for Expiration {
    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>, status: WorkerStatus, since: Instant) -> Poll<()> {
        if status != WorkerStatus::Idle {
            return Poll::Pending;
        }
        let end = (since + IDLE).into();
        if self.sleep.deadline() != end {
            self.sleep.as_mut().reset(end);
        }
        self.sleep.as_mut().poll(context)
    }
}

/// Decides which requests an instance takes.
pub(crate) struct Worker;

impl WorkerState for Worker {
    type StoreData = Guest;
    type RequestData = ();

    fn should_accept_request(&self, at_once: usize, total: usize) -> ShouldAccept {
        if total >= REQUESTS_PER_INSTANCE {
            ShouldAccept::Never
        } else if at_once >= REQUESTS_AT_ONCE {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, Guest>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(std::future::pending())
    }

    fn drop(&self, store: Store<Guest>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            tracing::error!("component {} failed: {error:?}", store.data().component.id);
        }
    }
}
