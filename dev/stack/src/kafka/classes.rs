//! Classes that brokers share.

use super::jvm::java;
use super::settings::{Way, ask, client, format, server_properties};
use crate::{paths, ports};
use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The argument of `java` that makes a broker start with the classes of an earlier one, loaded and verified already, which takes a
/// third of the processor time away. The first broker of a version and a Java runs for this alone:
/// <https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html>
pub(super) fn loaded(libs: &Path, version: &str) -> Result<String> {
    let java = paths::program(&["java"])?.canonicalize()?;
    // Classes can be used only by the Java that wrote them.
    let key = format!("{version}-classes-{}-{}", java.metadata()?.mtime(), java.metadata()?.size());
    let folder = paths::kept(&key, |folder| run_once(libs, folder).context("Kafka's classes"))?;
    Ok(format!("-XX:SharedArchiveFile={}", folder.join("classes.jsa").display()))
}

fn run_once(libs: &Path, folder: &Path) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (data, port) = (scratch.path().join("data"), ports::free()?);
    let properties = scratch.path().join("properties");
    fs::create_dir(&data)?;
    format(libs, &data, &[])?;
    fs::write(&properties, server_properties(&data, port, ports::free()?, &Way::Open))?;
    let mut broker = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "java"])
        .arg(format!("-XX:ArchiveClassesAtExit={}", folder.join("classes.jsa").display()))
        .args(java(libs))
        .args(["kafka.Kafka".as_ref(), properties.as_os_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    until_it_answers(&mut broker, port)?;
    kill(Pid::from_raw(broker.id().try_into()?), Signal::SIGTERM)?;
    broker.wait()?;
    anyhow::ensure!(folder.join("classes.jsa").exists(), "the broker wrote none");
    Ok(())
}

fn until_it_answers(broker: &mut Child, port: u16) -> Result<()> {
    loop {
        anyhow::ensure!(broker.try_wait()?.is_none(), "the broker ended");
        if TcpStream::connect(("127.0.0.1", port)).is_ok() && ask(client(port, &Way::Open)).is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
}
