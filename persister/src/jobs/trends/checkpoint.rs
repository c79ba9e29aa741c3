//! Where the job continues after a stop.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::MySqlPool;
use tracing::{info, warn};

use super::{source::milliseconds, state::State};
use crate::ledger::{
    deleted::Lately,
    history::{Day, Viewed, forget_counted},
    trends::{self, Checkpoint, Ranking, Top, Update},
};

/// The number of articles in a ranking.
const PLACES: usize = 100;

/// How much of the state is written on average. MySQL's binary log gets all of it, so this is 1.7 GB a day.
const BYTES_A_SECOND: u64 = 20_000;
/// A larger state than this allows is written more often, because the history is as old as what was written last.
const SELDOMEST: Duration = Duration::from_mins(5);

/// The time between a state of so many bytes and the next one.
fn rest(bytes: usize) -> Duration {
    Duration::from_secs(bytes as u64 / BYTES_A_SECOND).min(SELDOMEST)
}

/// The state, how often it was written, and when it is to be written again.
pub(super) struct Saved {
    pub(super) state: State,
    writes: i64,
    is_new: bool,
    due: Instant,
}

impl Saved {
    /// Reads what was written last. If there is nothing, or if another release wrote it in another form, nothing is counted
    /// yet.
    pub(super) async fn load(mysql: &MySqlPool) -> anyhow::Result<Self> {
        let written = trends::load(mysql).await?;
        let writes = written.as_ref().map_or(0, |written| written.writes);
        let read = written.map(|written| State::from_parts(&written)).transpose();
        let read = read.inspect_err(|error| warn!("the checkpoint is not of this release: {error}"));
        let state = read.ok().flatten();
        let is_new = state.is_none();
        Ok(Self { state: state.unwrap_or_else(|| State::new(Day::default())), writes, is_new, due: Instant::now() })
    }

    /// Whether the state is to be written now.
    pub(super) fn is_due(&self) -> bool {
        Instant::now() >= self.due
    }

    /// Whether nothing is counted yet.
    pub(super) const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Begins with a day, and forgets what the history has of it and of later ones.
    pub(super) async fn begin(&mut self, mysql: &MySqlPool, since: Day) -> anyhow::Result<()> {
        info!(%since, "counting from the beginning");
        self.state.begin(since);
        forget_counted(mysql, since, Day::of_ms(milliseconds(Timestamp::now())).next()).await?;
        self.write(mysql, None, &[]).await
    }

    /// Writes the state, what it has counted since it was written last, and the ranking if its time is known. After an
    /// error the state is of no use.
    pub(super) async fn write(
        &mut self,
        mysql: &MySqlPool,
        as_of: Option<Timestamp>,
        viewed: &[Viewed],
    ) -> anyhow::Result<()> {
        let checkpoint = Some(Checkpoint { parts: self.state.parts(), changes: &self.state.changes, viewed });
        let update = Update { writes: self.writes, checkpoint, ranking: self.ranking(as_of) };
        let bytes = trends::write(mysql, update).await?;
        self.writes += 1;
        self.state.changes.clear();
        self.due = Instant::now() + rest(bytes);
        Ok(())
    }

    /// Writes the ranking alone, if its time is known.
    pub(super) async fn rank(&self, mysql: &MySqlPool, as_of: Option<Timestamp>) -> anyhow::Result<()> {
        let checkpoint = None::<Checkpoint<'_, std::iter::Empty<_>>>;
        if as_of.is_some() {
            trends::write(mysql, Update { writes: self.writes, checkpoint, ranking: self.ranking(as_of) }).await?;
        }
        Ok(())
    }

    fn ranking(&self, as_of: Option<Timestamp>) -> Option<Ranking<impl FnOnce(&Lately) -> Vec<Top>>> {
        as_of.map(|as_of| Ranking { as_of, tops: |lately: &Lately| self.state.tops(PLACES, lately).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_state_waits_longer_than_a_small_one() {
        assert_eq!(rest(19_999), Duration::ZERO);
        assert_eq!(rest(1_000_000), Duration::from_secs(50));
        assert_eq!(rest(100_000_000), SELDOMEST);
    }
}
