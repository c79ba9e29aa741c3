//! `stack up`, and what talks to a stack that is up.

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stack::{Options, Stack, wait_for};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const DOWN_LIMIT: Duration = Duration::from_secs(90);

/// Runs the whole system on this machine.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts everything and stays; SIGINT or SIGTERM stops all of it.
    Up {
        /// Redis, MySQL and Kafka as containers by Docker Compose.
        #[arg(long)]
        compose: bool,
        /// A variable of spin.toml, as name=value; may be given more than once.
        #[arg(long = "variable", value_name = "NAME=VALUE")]
        variables: Vec<String>,
    },
    /// Prints where the running stack answers.
    Env,
    /// Prints a token of the dev key.
    Token {
        /// The user's id, as the site writes it.
        #[arg(long)]
        user: String,
    },
    /// Stops the running stack and waits for its end.
    Down,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Up { compose, variables } => up(compose, &variables).await,
        Command::Env => {
            ensure!(running(&state("pid"))?.is_some(), "no stack is up: make up");
            print!("{}", fs::read_to_string(state("env")).context("the stack is still starting")?);
            Ok(())
        }
        Command::Token { user } => {
            println!("{}", stack::token(&user));
            Ok(())
        }
        Command::Down => down().await,
    }
}

async fn up(compose: bool, variables: &[String]) -> Result<()> {
    alone(&state("pid"))?;
    let mut options = Options::default();
    if compose {
        options = options.in_compose();
    }
    for variable in variables {
        let (name, value) = variable.split_once('=').with_context(|| format!("--variable {variable}: no `=`"))?;
        options = options.variable(name, value);
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    fs::create_dir_all(state(""))?;
    fs::write(state("pid"), std::process::id().to_string())?;
    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let result = serve(options, stopped).await;
    for file in ["env", "pid"] {
        // The first is not there if the start failed.
        let _ = fs::remove_file(state(file));
    }
    result
}

async fn serve(options: Options, stopped: impl Future<Output = ()>) -> Result<()> {
    let mut stopped = std::pin::pin!(stopped);
    let stack = tokio::select! {
        stack = Stack::start(options) => stack?,
        // Dropping what has started kills it.
        () = &mut stopped => return Ok(()),
    };
    fs::write(state("env"), stack.env_lines())?;
    print!("{}", stack.env_lines());
    println!("Ctrl-C stops it; `make token USER=7` prints a token; logs are in {}", stack.data().display());
    stopped.await;
    eprintln!("stopping");
    stack.stop().await
}

async fn down() -> Result<()> {
    let Some(pid) = running(&state("pid"))? else {
        eprintln!("no stack is up");
        return Ok(());
    };
    kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    wait_for("the stack to stop", DOWN_LIMIT, async || Ok(running(&state("pid"))?.is_none().then_some(()))).await
}

/// Fails if a stack is up: two would share the files of `target/dev`.
fn alone(pid_file: &Path) -> Result<()> {
    match running(pid_file)? {
        Some(pid) => bail!("a stack is up already (process {pid}): make down"),
        None => Ok(()),
    }
}

/// The process of this checkout's `stack up`. A pid file that outlived its process, and an id given to another since,
/// count as none.
fn running(pid_file: &Path) -> Result<Option<i32>> {
    let Ok(text) = fs::read_to_string(pid_file) else { return Ok(None) };
    let pid: i32 = text.trim().parse().context("target/dev/pid")?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Ok((name.trim() == "stack").then_some(pid))
}

fn state(file: &str) -> PathBuf {
    stack::root().join("target/dev").join(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::process::{Command as Process, Stdio};

    #[test]
    fn a_second_stack_is_refused_while_the_first_runs() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (pid_file, program) = (folder.path().join("pid"), folder.path().join("stack"));
        alone(&pid_file)?;

        // A shell by the name of a stack. It ends with its input, so it does not outlive a test that fails.
        symlink("/bin/sh", &program)?;
        let mut first = Process::new(&program).args(["-c", "read line"]).stdin(Stdio::piped()).spawn()?;
        fs::write(&pid_file, first.id().to_string())?;
        let refused = alone(&pid_file).expect_err("the first one runs").to_string();
        assert_eq!(refused, format!("a stack is up already (process {}): make down", first.id()));

        first.kill()?;
        first.wait()?;
        alone(&pid_file).context("the file of a stack that was killed")?;
        fs::write(&pid_file, std::process::id().to_string())?;
        alone(&pid_file).context("another program has the id now")
    }

    #[test]
    fn a_token_is_for_a_user_of_any_id() {
        for id in ["7", "auth0|507f1f77bcf86cd799439011", "b1946ac9-2492-4d23-8f5a-1c1f2d3e4f50"] {
            match Arguments::parse_from(["stack", "token", "--user", id]).command {
                Command::Token { user } => assert_eq!(user, id),
                _ => panic!("another command"),
            }
        }
    }
}
