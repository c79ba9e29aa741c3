use anyhow::Context as _;

/// A number that the environment asks for, of rounds or a seed; none where the variable is missing or empty.
pub fn number(variable: &str) -> anyhow::Result<Option<u64>> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    value.map(|value| value.parse().with_context(|| format!("{variable} is a number"))).transpose()
}

/// An article or user id, from a number that a test chose.
#[must_use]
pub fn id<T: TryFrom<i64, Error: std::fmt::Debug>>(number: i64) -> T {
    T::try_from(number).expect("tests use positive ids")
}
