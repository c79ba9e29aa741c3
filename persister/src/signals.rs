//! How the process stops.

use std::{io, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long batches in progress may take after SIGTERM: less than Kubernetes, or a person, waits before SIGKILL.
const SHUTDOWN: Duration = Duration::from_secs(9);

/// SIGTERM and SIGINT ask every job to finish its batch. A job that hangs on a store is cut off, and the process exits with
/// `cut_off`; the next process repeats what was not confirmed.
pub(crate) fn stop_on_signal(stop: CancellationToken, cut_off: i32) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
        }
        info!("stopping: finishing the work in progress");
        stop.cancel();
        tokio::time::sleep(SHUTDOWN).await;
        warn!("not finished within {} s: stopping anyway; the next start repeats the rest", SHUTDOWN.as_secs());
        std::process::exit(cut_off);
    });
    Ok(())
}
