//! A file for each experiment; one experiment gives one or more figures.

mod batch;
mod consume;
mod growth;
mod lag;
mod like;
mod memory;
mod rebuild;
mod relay;
mod script;
mod waiting;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::{FutureExt, future::LocalBoxFuture};

use crate::{Bench, report::Figure};

type Measure = for<'a> fn(&'a Bench) -> LocalBoxFuture<'a, Result<Vec<Figure>>>;

/// By the first part of their figures' names.
pub(crate) const EXPERIMENTS: [(&str, Measure); 10] = [
    ("like", |bench| like::measure(bench).boxed_local()),
    ("script", |bench| script::measure(bench).boxed_local()),
    ("growth", |bench| growth::measure(bench).boxed_local()),
    ("memory", |bench| memory::measure(bench).boxed_local()),
    ("batch", |bench| batch::measure(bench).boxed_local()),
    ("lag", |bench| lag::measure(bench).boxed_local()),
    ("relay", |bench| relay::measure(bench).boxed_local()),
    ("waiting", |bench| waiting::measure(bench).boxed_local()),
    ("consume", |bench| consume::measure(bench).boxed_local()),
    ("rebuild", |bench| rebuild::measure(bench).boxed_local()),
];

pub(crate) fn names() -> String {
    EXPERIMENTS.map(|(name, _)| name).join(", ")
}

const POLL: Duration = Duration::from_millis(20);
const STUCK: Duration = Duration::from_mins(1);

/// How many a second, from the first that is seen done to the last: how long a process takes to start is not asked here.
async fn pace(total: u64, mut done: impl AsyncFnMut() -> Result<u64>) -> Result<f64> {
    let (mut first, mut last) = (None, (Instant::now(), 0));
    loop {
        let count = done().await?;
        if count != last.1 {
            last = (Instant::now(), count);
        }
        ensure!(last.0.elapsed() < STUCK, "stuck at {count} of {total}");
        if count >= total {
            break;
        }
        if count > 0 && first.is_none() {
            first = Some(last);
        }
        tokio::time::sleep(POLL).await;
    }
    let Some((began, at)) = first else { anyhow::bail!("{total} are too few: they were done at once") };
    Ok(float(last.1 - at) / (last.0 - began).as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}
