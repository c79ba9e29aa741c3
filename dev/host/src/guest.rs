//! The state behind one instance of a component, and everything a component can import.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use http::Request;
use http_body_util::BodyExt;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView, default_send_request,
};

use crate::bindings::Spin;
use crate::manifest;
use crate::outbound::{AllowedHosts, Scheme};
use crate::runtime_config::Limits;
use crate::variables::Variables;

/// The variables, hosts and limits of a component, the same for all of its instances.
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) id: String,
    /// The values of variables, by the component's own names.
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) allowed_hosts: AllowedHosts,
    pub(crate) limits: Arc<Limits>,
    environment: Vec<(String, String)>,
}

impl Component {
    /// Expands the templates of a component's part of the manifest.
    pub(crate) fn new(
        id: &str,
        manifest: &manifest::Component,
        values: &Variables,
        limits: Arc<Limits>,
    ) -> Result<Self> {
        let variables = manifest.variables.iter();
        let variables = variables.map(|(name, template)| Ok((name.clone(), values.expand(template)?)));
        let hosts = manifest.allowed_outbound_hosts.iter().map(|template| values.expand(template));
        Ok(Self {
            id: id.to_owned(),
            variables: variables.collect::<Result<_>>().with_context(|| format!("component {id}"))?,
            allowed_hosts: hosts
                .collect::<Result<Vec<_>>>()
                .and_then(|hosts| AllowedHosts::parse(&hosts))
                .with_context(|| format!("component {id}"))?,
            limits,
            environment: manifest.environment.clone().into_iter().collect(),
        })
    }
}

/// The state behind one instance.
pub(crate) struct Guest {
    pub(crate) component: Arc<Component>,
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound_http: OutboundHttp,
}

impl Guest {
    /// Returns a store for a new instance of `component`. The instance has no files and no sockets. We print what it
    /// prints.
    pub(crate) fn store(engine: &Engine, component: Arc<Component>) -> Store<Self> {
        let wasi = WasiCtx::builder().inherit_stdout().inherit_stderr().envs(&component.environment).build();
        let (table, http, outbound_http) = (ResourceTable::new(), WasiHttpCtx::new(), OutboundHttp(component.clone()));
        let mut store = Store::new(engine, Self { component, table, wasi, http, outbound_http });
        // A component that computes for a long time lets others run at each tick. As in Spin, it is never stopped.
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        store
    }
}

/// Returns everything that a component can import: WASI 0.2 (the standard library uses it), WASI 0.3, and Spin's
/// stores.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    Spin::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    Ok(linker)
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outbound_http }
    }
}

/// Outbound HTTP, to the hosts that the manifest allows. Each request has its own connection. Redirects are left to the
/// component.
struct OutboundHttp(Arc<Component>);

type Sent<T> = Box<dyn Future<Output = Result<T, Error>> + Send>;

impl WasiHttpHooks for OutboundHttp {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Sent<()>,
    ) -> Sent<(http::Response<WasiBody>, Sent<()>)> {
        if !self.0.allowed_hosts.allows(&request.uri().to_string(), Scheme::Https) {
            return Box::new(async { Err(Error::HttpRequestDenied) });
        }
        Box::new(async move {
            let (response, sent) = default_send_request(request, options).await?;
            Ok((response.map(BodyExt::boxed_unsync), Box::new(sent) as Sent<()>))
        })
    }
}
