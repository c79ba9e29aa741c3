//! Cores, processor time and memory of processes, from /proc (proc(5)).

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use stack::Service;

/// Clock ticks in a second, as /proc counts them: `USER_HZ`, 100 on every architecture of ours.
const TICKS: f64 = 100.0;

/// Where the server under test runs, and where everything else does: what a server costs is not what its clients and
/// stores take from it.
pub(crate) struct Cores {
    count: usize,
}

impl Cores {
    pub(crate) fn of_machine() -> Result<Self> {
        Ok(Self { count: std::thread::available_parallelism()?.get() })
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// For the server under test, as `taskset` takes it.
    #[expect(clippy::unused_self, reason = "beside `rest`, which depends on the machine")]
    pub(crate) fn server(&self) -> String {
        "0".to_owned()
    }

    /// For all else.
    pub(crate) fn rest(&self) -> String {
        match self.count {
            1 => "0".to_owned(),
            2 => "1".to_owned(),
            count => format!("1-{}", count - 1),
        }
    }

    /// The server's own words for a figure's conditions.
    pub(crate) fn apart(&self, server: &str, rest: &str) -> String {
        format!("{server} on core {}, {rest} on core {}", self.server(), self.rest())
    }
}

/// Moves a running service with all its threads.
pub(crate) fn pin(service: &Service, cores: &str) -> Result<()> {
    let pid = service.pid().with_context(|| format!("{} is not running", service.name()))?;
    let output = Command::new("taskset").args(["-acp", cores, &pid.to_string()]).output()?;
    ensure!(output.status.success(), "taskset: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Processor time in user and kernel of a service and its children, in seconds since it started. They are a process group.
pub(crate) fn cpu_seconds(service: &Service) -> Result<f64> {
    let group = service.pid().with_context(|| format!("{} is not running", service.name()))?.to_string();
    let mut ticks = 0.0;
    for process in fs::read_dir("/proc")?.flatten() {
        // One that ended meanwhile is none.
        let Ok(stat) = fs::read_to_string(process.path().join("stat")) else { continue };
        // The name is in parentheses and may hold anything: what follows it is counted from the state, field 3.
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = fields.split(' ').collect();
        if fields.get(2) == Some(&group.as_str()) {
            for time in [11, 12] {
                ticks += fields.get(time).context("/proc/…/stat is short")?.parse::<f64>()?;
            }
        }
    }
    Ok(ticks / TICKS)
}

/// The most memory that a service's process has ever had resident, in MiB.
pub(crate) fn peak_mib(service: &Service) -> Result<f64> {
    let pid = service.pid().with_context(|| format!("{} is not running", service.name()))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
