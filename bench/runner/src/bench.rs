//! One run of the bench.

use crate::{machine::Cores, progress::Progress, scale::Scale};

/// What every figure is measured with.
pub(crate) struct Bench {
    pub(crate) scale: Scale,
    pub(crate) cores: Cores,
    pub(crate) progress: Progress,
    pub(crate) only: Vec<String>,
}

impl Bench {
    /// Whether a figure of that name, or any below it, was asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.starts_with(only.as_str()) || only.starts_with(name))
    }
}
