//! Where things are.

use anyhow::{Context, Result, anyhow};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout that this crate was built from.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout is where it was built")
}

/// Where `dev/setup` keeps what is slow to make; the same rule as in `dev/lib.sh`.
pub fn cache() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("INTERACTION_CACHE") {
        return Ok(folder.into());
    }
    let base = match env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache"),
    };
    Ok(base.join("interaction-service"))
}

/// A binary of this workspace: beside the running one, or in cargo's release folder.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("own path")?;
    // A test runs from `deps/` below the folder of the binaries.
    let mut folders: Vec<PathBuf> = own.ancestors().skip(1).take(2).map(Path::to_path_buf).collect();
    folders.extend(env::var_os("CARGO_TARGET_DIR").map(|target| PathBuf::from(target).join("release")));
    folders.push(cache()?.join("target/release"));
    folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| anyhow!("`{name}` is not built: make natives (looked in {folders:?})"))
}

/// A program of the system. Debian puts servers where only root's PATH looks.
pub(crate) fn program(names: &[&str]) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        env::split_paths(&path).chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from)).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
        .ok_or_else(|| anyhow!("none of {names:?} is installed: run dev/setup"))
}

/// Copies to `to` a folder that `make` fills once.
pub(crate) fn template(key: &str, to: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let kept = kept(key, make)?;
    run(Command::new("cp").arg("-a").arg("--sparse=always").arg(&kept).arg(to))
}

/// A folder of the cache that `make` fills once.
pub(crate) fn kept(key: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let templates = cache()?.join("templates");
    let kept = templates.join(key);
    if kept.exists() {
        return Ok(kept);
    }
    fs::create_dir_all(&templates)?;
    // Tests that start side by side all want it, and one makes it.
    let lock = File::create(templates.join(format!("{key}.lock")))?;
    lock.lock()?;
    if !kept.exists() {
        let unfinished = tempfile::tempdir_in(&templates)?;
        make(unfinished.path())?;
        // By rename: nobody sees half of it.
        fs::rename(unfinished.keep(), &kept)?;
    }
    Ok(kept)
}

/// Runs a short command to its end; its output is in the error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(anyhow!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&said)))
}
