use std::{net::TcpListener, ops::Deref, path::Path};

use anyhow::Result;
use futures::FutureExt;
use stack::Service;

/// An HTTP server under test, on cores of its own from its first moment.
pub(crate) struct Server {
    service: Service,
    address: String,
    lost_per_mille: u32,
}

impl Server {
    pub(crate) fn new(name: &str, program: &Path, log: &Path, cores: &str) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let probe = format!("http://{address}");
        let service = Service::new(name, "taskset", log.to_owned(), move || {
            let url = probe.clone();
            // Any answer will do: not every one has a route of that path.
            async move { reqwest::get(url).await.map(drop).map_err(anyhow::Error::from) }.boxed()
        });
        // As in production: a developer's RUST_BACKTRACE has wasmtime walk the stack for every request.
        let service = service.args(["-c", cores]).args([program]).envs([("RUST_BACKTRACE", "0")]);
        Ok(Self { service, address, lost_per_mille: 0 })
    }

    pub(crate) fn arguments(mut self, arguments: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Self {
        self.service = self.service.args(arguments);
        self
    }

    pub(crate) fn environment(
        mut self,
        variables: impl IntoIterator<Item = (impl AsRef<std::ffi::OsStr>, impl AsRef<std::ffi::OsStr>)>,
    ) -> Self {
        self.service = self.service.envs(variables);
        self
    }

    /// Lets so many requests of a thousand fail.
    pub(crate) fn losing(self, lost_per_mille: u32) -> Self {
        Self { lost_per_mille, ..self }
    }

    pub(crate) fn lost_per_mille(&self) -> u32 {
        self.lost_per_mille
    }

    /// Until that path answers 200.
    pub(crate) async fn start(self, path: &str) -> Result<Self> {
        self.service.start().await?;
        reqwest::get(format!("{}{path}", self.url())).await?.error_for_status()?;
        Ok(self)
    }

    /// `127.0.0.1:<port>`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Deref for Server {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}
