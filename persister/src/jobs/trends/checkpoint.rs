//! Where the job continues after a stop.

use jiff::Timestamp;
use sqlx::MySqlPool;
use tracing::{info, warn};

use super::{source::milliseconds, state::State};
use crate::ledger::{
    deleted::Lately,
    history::{Day, Viewed, forget_counted},
    trends::{self, Checkpoint, Ranking},
};

/// The number of articles in a ranking.
const PLACES: usize = 100;

/// The state, and how often it was written.
pub(super) struct Saved {
    pub(super) state: State,
    writes: i64,
    is_new: bool,
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
        Ok(Self { is_new: state.is_none(), state: state.unwrap_or_else(|| State::new(Day::default())), writes })
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
        let state = &self.state;
        let tops = |lately: &Lately| state.tops(PLACES, lately).collect::<Vec<_>>();
        let ranking = as_of.map(|as_of| Ranking { as_of, tops });
        let checkpoint =
            Checkpoint { writes: self.writes, parts: state.parts(), ranking, changes: &state.changes, viewed };
        trends::write(mysql, checkpoint).await?;
        self.writes += 1;
        self.state.changes.clear();
        Ok(())
    }
}
