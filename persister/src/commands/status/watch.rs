//! The status screen, refreshed, with rates.

use std::{io, time::Duration};

use console::Term;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{rates::Rates, show};
use crate::{
    ledger::status::{Status, ask},
    output::{json_line, line},
    store::Stores,
};

#[derive(Serialize)]
struct Look<'a> {
    #[serde(flatten)]
    status: &'a Status,
    /// Null on the first screen.
    rates: Option<Rates>,
}

/// Refreshes until `stop`.
pub(super) async fn run(stores: &Stores, every: Duration, json: bool, stop: &CancellationToken) -> anyhow::Result<()> {
    let canvas = if json { None } else { Canvas::on_stdout() };
    let mut due = interval(every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        let look = async {
            due.tick().await;
            Box::pin(ask(stores)).await
        };
        let status = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            status = look => status,
        };
        let rates = before.as_ref().and_then(|before| Rates::between(before, &status));
        if json {
            json_line(&Look { status: &status, rates })?;
        } else {
            let screen = format!("{:.0}\n{}\n", status.at, show::screen(&status, rates.as_ref()));
            match &canvas {
                Some(canvas) => canvas.draw(&screen)?,
                None => line(screen)?,
            }
        }
        before = Some(status);
    }
}

/// A terminal that is redrawn from its first line. Its cursor is restored at the end.
struct Canvas(Term);

impl Canvas {
    /// None if stdout is no terminal.
    fn on_stdout() -> Option<Self> {
        let term = Term::buffered_stdout();
        term.is_term().then(|| Self(term))
    }

    /// Draws over the last screen in one write, so that nothing flickers. Lines that do not fit are left out.
    fn draw(&self, screen: &str) -> io::Result<()> {
        let Self(term) = self;
        let (rows, columns) = term.size();
        term.hide_cursor()?;
        term.move_cursor_to(0, 0)?;
        for line in screen.lines().take(usize::from(rows).saturating_sub(1)) {
            term.clear_line()?;
            term.write_line(&line.chars().take(columns.into()).collect::<String>())?;
        }
        term.clear_to_end_of_screen()?;
        term.flush()
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        // The terminal may be gone.
        let _ = self.0.show_cursor().and_then(|()| self.0.flush());
    }
}
