//! The variables of a component.

use std::{cell::OnceCell, str::FromStr, thread::LocalKey};

use contract::scripts;
use spin_sdk::variables;

use crate::{Limit, Problem};

/// Returns the value in `slot`. The first request loads it. (Two at once may both load it; one value is kept.)
pub(crate) async fn once<T: Clone>(
    slot: &'static LocalKey<OnceCell<T>>,
    load: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    if let Some(known) = slot.with(|slot| slot.get().cloned()) {
        return Ok(known);
    }
    let loaded = load.await?;
    Ok(slot.with(|slot| slot.get_or_init(|| loaded).clone()))
}

/// Reads and parses a variable of the component. The log names a variable that is wrong, and never shows its value.
pub async fn setting<T: FromStr>(name: &str) -> Result<T, Problem> {
    let value = variables::get(name).await.map_err(|error| {
        eprintln!("variable {name}: {error:?}");
        Problem::Misconfigured
    })?;
    value.parse().map_err(|_| {
        eprintln!("variable {name}: not of the form that spin.toml describes");
        Problem::Misconfigured
    })
}

/// Reads a secret key. A key of fewer than 32 characters is an error.
pub async fn secret(name: &str) -> Result<String, Problem> {
    let key: String = setting(name).await?;
    if key.len() < 32 {
        eprintln!("variable {name}: a key needs 32 characters or more");
        return Err(Problem::Misconfigured);
    }
    Ok(key)
}

/// Reads a frequency limit.
pub async fn limit(name: &str) -> Result<scripts::Limit, Problem> {
    setting::<Limit>(name).await.map(scripts::Limit::from)
}
