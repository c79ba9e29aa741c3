//! The folder of a stack's data and logs.

use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PREFIX: &str = "interaction-";
/// The file that names the process whose folder it is.
const OWNER: &str = "owner";

/// A new folder, removed when this is dropped.
pub(crate) struct Folder {
    path: PathBuf,
    _removed_at_end: Option<TempDir>,
}

impl Folder {
    /// Also removes what earlier processes left behind. With `INTERACTION_KEEP=1` data and logs stay for a look afterwards.
    pub(crate) fn make() -> Result<Self> {
        sweep();
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        if std::env::var_os("INTERACTION_KEEP").is_some() {
            return Ok(Self { path: folder.keep(), _removed_at_end: None });
        }
        fs::write(folder.path().join(OWNER), std::process::id().to_string())?;
        Ok(Self { path: folder.path().to_owned(), _removed_at_end: Some(folder) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes the folders of processes that ended without: a killed one, or a suite that keeps its stack in a static.
fn sweep() {
    let Ok(folders) = fs::read_dir(std::env::temp_dir()) else { return };
    for folder in folders.flatten().filter(|folder| folder.file_name().to_string_lossy().starts_with(PREFIX)) {
        let owner = fs::read_to_string(folder.path().join(OWNER)).ok().and_then(|pid| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            // What cannot be removed is left for the next time.
            let _ = fs::remove_dir_all(folder.path());
        }
    }
}
