//! The whole system where every store takes TLS alone, by a throwaway authority, and wants a user and a password; and
//! that no secret is in any log. All tests share one running system, one after the other.

mod kafka;
mod provider;
mod refused;
mod rights;
mod secrets;
mod whole_path;

use std::{fs::File, io::Write, process::Output, sync::LazyLock, time::Duration};

use anyhow::{Context, Result};
use reqwest::StatusCode;
use serde_json::Value;
use stack::{App, Options, Stack, Tls, wait_for};
use tests::Api;
use tokio::{runtime::Runtime, sync::Mutex};

const PATIENCE: Duration = Duration::from_mins(1);
/// The wrong password of every test that needs one.
const WRONG: &str = "a-wrong-password";

static SYSTEM: LazyLock<(Runtime, Mutex<Stack>)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    // More is logged than an operator would ask for.
    let options = Options::default().secured().persister_env("RUST_LOG", "debug").quiet();
    let stack = runtime.block_on(Stack::start(options)).expect("the system starts");
    println!("on {}", stack.app.kind());
    (runtime, Mutex::new(stack))
});

/// Runs a test alone on the shared system; afterwards no secret is in any log.
fn secured(test: impl AsyncFnOnce(&Stack) -> Result<()>) -> Result<()> {
    let (runtime, stack) = &*SYSTEM;
    runtime.block_on(async {
        let stack = stack.lock().await;
        test(&stack).await?;
        secrets::absent_from_logs(&stack)
    })
}

/// A second application on the same stores, differently configured; its log is in a folder of its own.
async fn another_app(
    stack: &Stack,
    name: &str,
    redis_url: &str,
    mysql_url: &str,
    trust: &Tls,
    variables: &[(&str, &str)],
) -> Result<App> {
    let folder = stack.data().join(name);
    std::fs::create_dir_all(&folder)?;
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let app = App::new(&folder, redis_url, mysql_url, &variables)?.with_environment(trust.environment());
    app.start().await?;
    Ok(app)
}

/// What `/readyz` says of the stores, by name.
async fn stores(app: &App) -> Result<(StatusCode, [String; 2])> {
    let answer = Api::new(app.url().to_owned()).get("/readyz").send().await?;
    let word = |store: &str| answer.body[store].as_str().unwrap_or_default().to_owned();
    Ok((answer.status, [word("redis"), word("mysql")]))
}

/// A line of the application's log, once it is there.
async fn logged(app: &App, text: &str) -> Result<()> {
    let found = async || Ok(std::fs::read_to_string(app.log())?.contains(text).then_some(()));
    wait_for(&format!("{text:?} in the log"), PATIENCE, found).await.with_context(|| app.log_tail(20))
}

/// The URL that the application has of MySQL: over TCP, though the server is on the same machine.
fn mysql_url(stack: &Stack) -> String {
    stack.mariadb.handlers_url() + "&prefer_socket=false"
}

/// Runs a command of the persister with more in its environment, and answers what it printed, in all. What is printed
/// is kept with the logs.
async fn persister(stack: &Stack, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(bool, String)> {
    let mut command = stack.persister.command(arguments)?;
    let Output { status, stdout, stderr } = command.envs(environment.iter().copied()).output().await?;
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    let log = File::options().create(true).append(true).open(stack.data().join("commands.log"));
    log?.write_all(said.as_bytes())?;
    Ok((status.success(), said))
}

/// An authority that nobody's certificate is of.
fn another_authority(stack: &Stack) -> Result<Tls> {
    Tls::new(&stack.data().join("another-authority"))
}

/// One JSON object a line.
fn json_lines(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
