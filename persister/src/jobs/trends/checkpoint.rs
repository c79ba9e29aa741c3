//! Where the job goes on from after it was stopped.

use jiff::Timestamp;
use sqlx::MySqlPool;
use tracing::warn;

use super::state::State;
use crate::ledger::trends::{self, Ranking};

/// Articles of a ranking.
const PLACES: usize = 100;

/// What was written last; none if nothing was, or by a release that wrote it otherwise.
pub(super) async fn load(mysql: &MySqlPool) -> anyhow::Result<Option<State>> {
    let Some(parts) = trends::load(mysql).await? else { return Ok(None) };
    let read = State::from_parts(&parts);
    Ok(read.inspect_err(|error| warn!("the checkpoint is not of this release, counting again: {error}")).ok())
}

/// Writes the state; and the ranking, where it is known of which moment it is.
pub(super) async fn write(mysql: &MySqlPool, state: &State, as_of: Option<Timestamp>) -> anyhow::Result<()> {
    let ranking = as_of.map(|as_of| Ranking { as_of, tops: state.tops(PLACES).collect() });
    Ok(trends::write(mysql, state.to_parts()?, ranking).await?)
}
