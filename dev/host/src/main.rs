//! A stand-in for `spin up`, for machines without Spin. It reads the same `spin.toml`, takes the same options and runs
//! the same components, on the same wasmtime crates. It does what this repository's components need and refuses the
//! rest.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on panics"))]

mod bindings;
mod columns;
mod guest;
mod instances;
mod manifest;
mod mysql;
mod outbound;
mod redis;
mod routes;
mod runtime_config;
mod server;
mod settings;
mod variables;

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use wasmtime::{Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::guest::Component;
use crate::instances::Instances;
use crate::manifest::Manifest;
use crate::routes::Routes;
use crate::runtime_config::Limits;
use crate::server::App;
use crate::variables::{Given, Variables};

/// How often a busy component lets others run.
const TICK: Duration = Duration::from_millis(10);

/// Runs Spin applications on machines without Spin.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Serves an application until SIGINT or SIGTERM.
    Up(Up),
}

#[derive(Args)]
struct Up {
    /// The application's manifest.
    #[arg(short, long, visible_alias = "file", default_value = "spin.toml")]
    from: PathBuf,
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, env = "SPIN_HTTP_LISTEN_ADDR", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Serves this component only; may be repeated.
    #[arg(long)]
    component_id: Vec<String>,
    /// Limits of connections.
    #[arg(long, env = "RUNTIME_CONFIG_FILE")]
    runtime_config_file: Option<PathBuf>,
    /// The value of a variable; may be repeated.
    #[arg(long, value_name = "KEY=VALUE | KEY=@FILE | @FILE.json | @FILE.toml")]
    variable: Vec<Given>,
}

#[tokio::main]
async fn main() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(stderr().is_terminal()).init();
    let Command::Up(options) = Command::parse();
    let result = up(&options).await;
    if let Err(error) = &result {
        eprintln!("host: {error:#}");
    }
    // Exit instead of returning: a return would drop idle instances while they wait, and report each as failed.
    process::exit(result.is_err().into());
}

async fn up(options: &Up) -> Result<()> {
    let app = load(options)?;
    let stop = stop_on_signal()?;
    let listener = TcpListener::bind(options.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", options.listen))?;
    println!("Serving http://{}", listener.local_addr()?);
    server::serve(listener, app, stop).await;
    Ok(())
}

/// Reads the manifest and makes its components ready to run.
fn load(options: &Up) -> Result<App> {
    let mut manifest = Manifest::load(&options.from)?;
    manifest.retain(&options.component_id)?;
    let given = variables::given(&options.variable)?;
    let values = Variables::resolve(&manifest.variables, &given, |name| std::env::var(name).ok())?;
    let limits = Arc::new(Limits::load(options.runtime_config_file.as_deref())?);
    let engine = engine()?;
    let linker = guest::linker(&engine)?;
    let mut components = BTreeMap::new();
    for (id, component) in &manifest.components {
        let configured = Component::new(id, component, &values, limits.clone())?;
        components.insert(id, Instances::load(&engine, &linker, &component.source, configured)?);
    }
    let routes =
        manifest.triggers().iter().map(|trigger| (trigger.route.clone(), components[&trigger.component].clone()));
    Routes::new(routes)
}

/// The engine, and the thread whose ticks make busy components yield.
fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.wasm_component_model_async(true).epoch_interruption(true);
    // Compiling takes seconds, so a component that did not change comes from the user's cache, where one is possible.
    config.cache(Cache::new(CacheConfig::new()).ok());
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(PoolingAllocationConfig::default()));
    // Pooling reserves terabytes of addresses. If a limit on virtual memory forbids that, do without pooling, which is
    // only slower.
    let engine = Engine::new(&config)
        .or_else(|_| Engine::new(config.allocation_strategy(InstanceAllocationStrategy::OnDemand)))?;
    let ticking = engine.weak();
    thread::spawn(move || {
        while let Some(engine) = ticking.upgrade() {
            engine.increment_epoch();
            thread::sleep(TICK);
        }
    });
    Ok(engine)
}

/// A token that SIGINT or SIGTERM cancels.
fn stop_on_signal() -> Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        cancel.cancel();
    });
    Ok(stop)
}
