use std::{fmt::Display, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// What is being measured: a bar on a terminal, a line a step elsewhere.
pub(crate) struct Progress {
    began: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now() }
    }

    pub(crate) fn say(&self, what: impl Display) {
        eprintln!("{:6.1} s  {what}", self.began.elapsed().as_secs_f64());
    }

    /// Of so many steps; each ends with `inc(1)`.
    #[expect(clippy::unused_self, reason = "beside `say`: all that a run shows of itself")]
    pub(crate) fn bar(&self, steps: usize) -> ProgressBar {
        let style = ProgressStyle::with_template("          {wide_bar} {pos}/{len}  {msg}  {eta} left");
        ProgressBar::new(steps as u64).with_style(style.expect("the template is valid"))
    }
}
