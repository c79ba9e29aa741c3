//! The result of each row, for people and for tools.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use contract::Kind;
use serde::Serialize;

use super::row::Fields;
use crate::{
    ledger::import::Outcome,
    output::{counted, json_line, line, table},
};

/// The subject of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Kind(Kind),
    Counters,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.name(),
            Self::Counters => "counters",
        }
    }
}

/// Why a valid row was not imported. None if the row was imported, or was here before.
pub(super) const fn reason(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Imported | Outcome::Known => None,
        Outcome::Excluded => Some("the user has a kind on here that excludes this one"),
        Outcome::Counted => Some("the article has other counters here"),
        Outcome::Erased => Some("the user was erased here"),
        Outcome::Deleted => Some("the article was deleted here after this time"),
        Outcome::Collides => Some("the user's or the article's id has the number of another id"),
        Outcome::Busy => Some("another command holds this pair, or MySQL did not catch up in time: import it again"),
    }
}

/// The counts, and the file of rejected rows. The file is removed if it stays empty.
pub(super) struct Report {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    rejected: u64,
    counts: BTreeMap<What, Counts>,
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    imported: u64,
    known: u64,
}

#[derive(Serialize)]
struct Rejected<'a> {
    row: u64,
    reason: &'a str,
    fields: &'a Fields,
}

impl Report {
    /// Opens the file before anything is imported. Rows in it are kept: they are another import's, or the input of this one.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let option = || format!("--rejected {}", path.display());
        let file = File::options().append(true).create(true).open(path).with_context(option)?;
        ensure!(file.metadata()?.len() == 0, "{} has rows already: move it, or name another file", option());
        let file = Some(BufWriter::new(file));
        Ok(Self { path: path.to_owned(), file, rejected: 0, counts: BTreeMap::new() })
    }

    pub(super) fn count(&mut self, what: What, outcome: Outcome) {
        let counts = self.counts.entry(what).or_default();
        match outcome {
            Outcome::Imported => counts.imported += 1,
            Outcome::Known => counts.known += 1,
            _ => (),
        }
    }

    pub(super) fn reject(&mut self, row: u64, fields: &Fields, reason: &str) -> anyhow::Result<()> {
        self.rejected += 1;
        if let Some(file) = &mut self.file {
            serde_json::to_writer(&mut *file, &Rejected { row, reason, fields })?;
            writeln!(file).with_context(|| self.path.display().to_string())?;
        }
        Ok(())
    }

    /// Writes the rows so far to the file.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush).with_context(|| self.path.display().to_string())
    }

    pub(super) const fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Prints the counts and closes the file.
    pub(super) fn finish(&mut self, json: bool) -> anyhow::Result<()> {
        self.flush()?;
        if let Some(file) = self.file.take() {
            // `/dev/stderr` and pipes stay.
            if self.rejected == 0 && file.get_ref().metadata()?.is_file() {
                std::fs::remove_file(&self.path).with_context(|| self.path.display().to_string())?;
            }
        }
        if json {
            let counts = self.counts.iter().map(|(what, counts)| (what.name(), serde_json::json!(counts)));
            let mut report: serde_json::Map<_, _> = counts.map(|(name, counts)| (name.to_owned(), counts)).collect();
            report.insert("rejected".to_owned(), self.rejected.into());
            return json_line(&report);
        }
        let mut rows = table(&["", "imported", "was here"]);
        for (what, Counts { imported, known }) in &self.counts {
            rows.add_row([what.name(), &imported.to_string(), &known.to_string()]);
        }
        if !self.counts.is_empty() {
            line(rows)?;
        }
        if self.rejected > 0 {
            line(format_args!("{} rejected: see {}", counted(self.rejected, "row"), self.path.display()))?;
        }
        Ok(())
    }
}
