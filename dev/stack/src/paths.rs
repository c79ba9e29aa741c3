//! Where things are.

use anyhow::{Context, Result, anyhow};
use std::env;
use std::fs;
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

/// Copies to `to` a folder that `make` fills, and keeps it in the cache under `key` so that it is made once.
pub(crate) fn template(key: &str, to: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let kept = cache()?.join("templates").join(key);
    if !kept.exists() {
        let parent = kept.parent().context("the templates' folder")?;
        fs::create_dir_all(parent)?;
        let unfinished = tempfile::tempdir_in(parent)?;
        make(unfinished.path())?;
        // By rename: half a template is never seen. Another process may have been faster, with the same content.
        let filled = unfinished.keep();
        if let Err(error) = fs::rename(&filled, &kept) {
            fs::remove_dir_all(&filled)?;
            anyhow::ensure!(kept.exists(), "cannot keep {}: {error}", kept.display());
        }
    }
    run(Command::new("cp").arg("-a").arg("--sparse=always").arg(&kept).arg(to))
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
