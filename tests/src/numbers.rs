use anyhow::Context as _;

use crate::site::Id;

/// A number that the environment asks for, of rounds or a seed; none where the variable is missing or empty.
pub fn number(variable: &str) -> anyhow::Result<Option<u64>> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    value.map(|value| value.parse().with_context(|| format!("{variable} is a number"))).transpose()
}

/// The number of an article or a user, as stores have it, from the number that a test chose.
#[must_use]
pub fn id<T: Id>(number: i64) -> T {
    T::of(number)
}
