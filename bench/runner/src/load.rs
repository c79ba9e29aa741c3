//! The load generators: wrk for HTTP, redis-benchmark for Redis alone.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path, process::Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::process::{Child, Command};

/// What wrk prints at its end (see `load.lua`).
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Outcome {
    requests: f64,
    seconds: f64,
    refused: u32,
    broken: u32,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.requests / self.seconds
    }

    /// Half of that rate, as the whole number that wrk takes.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "thousands")]
    pub(crate) fn half_per_second(&self) -> u64 {
        (self.per_second() / 2.0) as u64
    }

    pub(crate) fn requests(&self) -> f64 {
        self.requests
    }

    /// Fails if a connection failed or timed out, or if more than `lost_per_mille` of a thousand answers were not 2xx or 3xx:
    /// then something else was measured.
    pub(crate) fn answered(self, lost_per_mille: u32) -> Result<Self> {
        let most = self.requests * f64::from(lost_per_mille) / 1000.0;
        ensure!(f64::from(self.refused) <= most && self.broken == 0, "not all was answered well: {self:?}");
        Ok(self)
    }
}

/// How wrk sends the requests of a file.
pub(crate) struct Wrk<'a> {
    pub(crate) url: &'a str,
    /// Each line is a method, a path and a token (`-` for none).
    pub(crate) requests: &'a Path,
    /// Keep-alive connections, each with one request at a time.
    pub(crate) clients: usize,
    pub(crate) seconds: u64,
    /// Requests a second by all clients together. Without it they send as fast as they can.
    pub(crate) rate: Option<u64>,
    pub(crate) cores: &'a str,
}

impl Wrk<'_> {
    pub(crate) fn start(&self) -> Result<Child> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load.lua");
        let mut command = Command::new("taskset");
        command.args(["-c", self.cores, "wrk", "--threads", "1", "--timeout", "5s"]);
        command.args(["--connections", &self.clients.to_string(), "--duration", &format!("{}s", self.seconds)]);
        command.arg("--script").arg(script).args([self.url, "--"]).arg(self.requests);
        command.args(self.rate.map(|rate| rate.to_string()));
        command.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().context("starting wrk: it is installed by dev/bench")
    }

    /// Runs wrk to its end.
    pub(crate) async fn run(&self) -> Result<Outcome> {
        outcome(self.start()?).await.with_context(|| self.url.to_owned())
    }
}

pub(crate) async fn outcome(wrk: Child) -> Result<Outcome> {
    let output = wrk.wait_with_output().await?;
    let text = String::from_utf8(output.stdout)?;
    let result = text.lines().find_map(|line| line.strip_prefix("RESULT "));
    let result = result.with_context(|| format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(serde_json::from_str(result)?)
}

/// Calls of a script a second, measured by `redis-benchmark`. In an argument `__rand_int__` stands for a number below `random`.
/// No argument may contain a zero byte, because a program's arguments cannot.
pub(crate) async fn redis_benchmark(
    port: u16,
    clients: usize,
    count: u64,
    random: u64,
    cores: &str,
    arguments: &[Vec<u8>],
) -> Result<f64> {
    let mut command = Command::new("taskset");
    command.args(["-c", cores, "redis-benchmark", "--csv", "-p", &port.to_string(), "-c", &clients.to_string()]);
    command.args(["-n", &count.to_string(), "-r", &random.to_string(), "EVALSHA"]);
    command.args(arguments.iter().map(|argument| OsStr::from_bytes(argument)));
    let output = command.kill_on_drop(true).output().await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "redis-benchmark: {text}{}", String::from_utf8_lossy(&output.stderr));
    // "EVALSHA …","<per second>","<mean>",<five more>: the first field holds the arguments.
    let fields: Vec<&str> = text.lines().last().unwrap_or_default().rsplit("\",\"").collect();
    let rate = fields.get(6).with_context(|| format!("redis-benchmark printed {text}"))?;
    Ok(rate.parse()?)
}
