//! Child processes that start when ready, stop by their own id, and never outlive us.

use crate::wait::wait_for;
use anyhow::{Context, Result, anyhow, bail};
use futures::future::BoxFuture;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

const READY_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(30);

type Probe = Box<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// A program that serves: how to start it, how to know that it answers, where it logs.
///
/// All methods take `&self`, so that a test may break a service while others use it.
pub struct Service {
    name: String,
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    /// Sent to the process when ours is gone.
    death_signal: &'static str,
    log: PathBuf,
    probe: Probe,
    child: Mutex<Option<Child>>,
}

impl Service {
    /// A service that is not running yet. `probe` succeeds once it answers.
    pub fn new<F>(name: &str, program: impl AsRef<OsStr>, log: PathBuf, probe: F) -> Self
    where
        F: Fn() -> BoxFuture<'static, Result<()>> + Send + Sync + 'static,
    {
        Self {
            name: name.to_owned(),
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            death_signal: "KILL",
            log,
            probe: Box::new(probe),
            child: Mutex::new(None),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Adds environment variables to those inherited.
    #[must_use]
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self {
        self.environment
            .extend(variables.into_iter().map(|(key, value)| (key.as_ref().to_owned(), value.as_ref().to_owned())));
        self
    }

    /// For a program with children of its own, which it ends on SIGTERM: it is asked, not killed, when we are gone.
    #[must_use]
    pub(crate) fn ends_its_children(mut self) -> Self {
        self.death_signal = "TERM";
        self
    }

    /// Starts it and waits until it answers. Nothing happens if it runs already.
    pub async fn start(&self) -> Result<()> {
        self.spawn()?;
        self.wait_ready().await
    }

    /// Waits until it answers; an error with the end of its log if it stops instead.
    pub async fn wait_ready(&self) -> Result<()> {
        let mut last = None;
        let waited = wait_for(&self.name, READY_LIMIT, async || {
            if !self.is_running() {
                bail!("{} is not running", self.name);
            }
            // A paused or starting server may take a connection and say nothing.
            match tokio::time::timeout(Duration::from_secs(5), (self.probe)()).await {
                Ok(Ok(())) => return Ok(Some(())),
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(anyhow!("no answer")),
            }
            Ok(None)
        });
        waited.await.map_err(|error| {
            let last = last.map(|error| format!(" ({error:#})")).unwrap_or_default();
            anyhow!("{error}{last}; the end of {}:\n{}", self.log.display(), self.log_tail(25))
        })
    }

    /// SIGKILL, to it and to its children. Nothing happens if it does not run.
    pub async fn kill(&self) -> Result<()> {
        if let Some(pid) = self.pid() {
            killpg(as_pid(pid), Signal::SIGKILL)?;
            self.wait_exit(pid).await?;
        }
        Ok(())
    }

    /// SIGTERM, then waits for its end. `None` if it did not run. One that does not obey is killed, and that is an
    /// error.
    pub async fn terminate(&self) -> Result<Option<ExitStatus>> {
        let Some(pid) = self.pid() else { return Ok(None) };
        self.resume()?;
        kill(as_pid(pid), Signal::SIGTERM)?;
        match self.wait_exit(pid).await {
            Ok(status) => Ok(Some(status)),
            Err(error) => {
                self.kill().await?;
                Err(error)
            }
        }
    }

    /// SIGSTOP: it holds its connections and answers nothing.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Stops it in good order, starts it on the same port and data, and waits until it answers.
    pub async fn restart(&self) -> Result<()> {
        self.terminate().await?;
        self.start().await
    }

    /// Whether it runs now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.pid().is_some()
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let mut child = self.child();
        if child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_)))) {
            *child = None;
        }
        child.as_ref().map(Child::id)
    }

    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its standard output and error, of all its runs.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Starts it without waiting.
    pub(crate) fn spawn(&self) -> Result<()> {
        if self.is_running() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("opening {}", self.log.display()))?;
        // setpriv (util-linux) asks the kernel for a signal at our end, then becomes the program: same id, no orphan,
        // no unsafe code between fork and exec here.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", self.death_signal, "--"]).arg(&self.program).args(&self.arguments);
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        // A group of its own: Ctrl-C reaches us alone, and we stop things in order.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = spawn_from_lasting_thread(command).with_context(|| format!("starting {}", self.name))?;
        *self.child() = Some(child);
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().with_context(|| format!("{} is not running", self.name))?;
        Ok(killpg(as_pid(pid), signal)?)
    }

    async fn wait_exit(&self, pid: u32) -> Result<ExitStatus> {
        wait_for(&format!("the end of {} ({pid})", self.name), STOP_LIMIT, async || {
            let mut child = self.child();
            let Some(running) = child.as_mut() else { bail!("{} was stopped by another", self.name) };
            let status = running.try_wait()?;
            if status.is_some() {
                *child = None;
            }
            Ok(status)
        })
        .await
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            // An error means that it ended meanwhile.
            let _ = killpg(as_pid(pid), Signal::SIGKILL);
            if let Some(mut child) = self.child().take() {
                let _ = child.wait();
            }
        }
    }
}

fn as_pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("Linux process ids fit"))
}

/// The kernel sends the parent-death signal when the *thread* that forked ends, and a test's thread ends early: one
/// thread that lasts as long as the process starts them all.
fn spawn_from_lasting_thread(command: Command) -> Result<Child> {
    type Job = (Command, Sender<std::io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, answer) in jobs {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let (answer, answered) = channel();
    spawner
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, answer))
        .context("the spawning thread ended")?;
    Ok(answered.recv().context("the spawning thread ended")??)
}
