//! What the suites share: an HTTP client that speaks as a user and holds every answer against the description of the
//! interface, looks into the stores behind the service's back, and the comparison of both.

mod api;
mod compare;
mod connection;
mod description;
mod log;
mod model;
mod stores;

use anyhow::Context as _;

pub use api::{Answer, Api, Ask};
pub use compare::{Wrong, compare, drained};
pub use connection::{Redis, call, redis};
pub use description::{DESCRIPTION, conforms, health_routes, resolved};
pub use log::Log;
pub use model::{Model, Pair};
pub use stores::{Topic, counts, interactions, members, partition_of, rows};

/// The consumer group of the persister.
pub const GROUP: &str = "interaction.persister";

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
