//! Script calls that answer OK, or refuse.

use redis::Pipeline;

use crate::store::{StoreError, scripts::run_scripts, servers::Servers};

/// Why a script refuses to go on with a rebuild.
pub(super) const TAKEN_OVER: &str = "another rebuild took over";

/// Sends script calls; fails with `refusal` unless all answer OK.
pub(super) async fn all_ok(redis: &mut Servers, calls: &Pipeline, refusal: &str) -> Result<(), StoreError> {
    let answers: Vec<Vec<String>> = run_scripts(redis, calls).await?;
    if answers.iter().all(|answer| answer == &["OK"]) { Ok(()) } else { Err(StoreError::Other(refusal.to_owned())) }
}
