//! Where the job continues after a stop.

use jiff::Timestamp;
use sqlx::MySqlPool;
use tracing::warn;

use super::state::State;
use crate::ledger::{
    deleted::Lately,
    trends::{self, Ranking},
};

/// The number of articles in a ranking.
const PLACES: usize = 100;

/// Reads what was written last. None if there is nothing, or if another release wrote it in another form.
pub(super) async fn load(mysql: &MySqlPool) -> anyhow::Result<Option<State>> {
    let Some(parts) = trends::load(mysql).await? else { return Ok(None) };
    let read = State::from_parts(&parts);
    Ok(read.inspect_err(|error| warn!("the checkpoint is not of this release, counting again: {error}")).ok())
}

/// Writes the state, and the ranking if its time is known.
pub(super) async fn write(mysql: &MySqlPool, state: &State, as_of: Option<Timestamp>) -> anyhow::Result<()> {
    let tops = |lately: &Lately| state.tops(PLACES, lately).collect::<Vec<_>>();
    let ranking = as_of.map(|as_of| Ranking { as_of, tops });
    Ok(trends::write(mysql, state.to_parts()?, ranking).await?)
}
