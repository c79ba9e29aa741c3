//! How fast something is done.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

const POLL: Duration = Duration::from_millis(20);
const STUCK: Duration = Duration::from_mins(1);

/// How many a second, from the first that is seen done to the last: how long a process takes to start is not asked here.
pub(super) async fn pace(total: u64, mut done: impl AsyncFnMut() -> Result<u64>) -> Result<f64> {
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
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
