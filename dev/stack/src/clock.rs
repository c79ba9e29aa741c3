//! The time of day that one server sees.

use crate::paths;
use anyhow::Result;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clock/clock.c");

/// A clock that is set by a file, for a server that preloads a small library.
pub(crate) struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// The machine's own time so far.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let clock = Self { library: folder.join("clock.so"), file: folder.join("clock") };
        paths::run(Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&clock.library).arg(SOURCE))?;
        fs::write(&clock.file, 0_i64.to_ne_bytes())?;
        Ok(clock)
    }

    /// What the server's environment needs.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", &self.library), ("STACK_CLOCK", &self.file)]
    }

    /// From now on the server's time is that many seconds off.
    pub(crate) fn set(&self, offset: i64) -> Result<()> {
        // In place: the server has the file mapped.
        Ok(fs::File::options().write(true).open(&self.file)?.write_all_at(&offset.to_ne_bytes(), 0)?)
    }
}
