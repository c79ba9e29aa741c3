//! Files of ids.

use std::{fs, io, path::Path};

use anyhow::Context as _;
use contract::IdError;

/// Reads the ids of a file, one a line; - is standard input. The error for an invalid id names its line.
pub(super) fn of_file<T, C: FromIterator<T>>(file: &Path, read: fn(&str) -> Result<T, IdError>) -> anyhow::Result<C> {
    let text = if file.as_os_str() == "-" { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
    let text = text.with_context(|| file.display().to_string())?;
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty());
    let id = |(number, line)| read(line).with_context(|| format!("{}, line {number}", file.display()));
    lines.map(id).collect()
}
