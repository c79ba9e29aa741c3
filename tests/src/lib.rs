//! What the suites share: an HTTP client that speaks as a user and holds every answer against the description of the
//! interface, looks into the stores behind the service's back, and the comparison of both.

mod api;
mod compare;
mod description;
mod log;
mod model;
mod stores;

pub use api::{Answer, Api, Ask};
pub use compare::{Wrong, compare, drained};
pub use description::{DESCRIPTION, conforms};
pub use log::Log;
pub use model::{Model, Pair};
pub use stores::{Topic, likers, partition_of, redis, rows};

/// The consumer group of the persister.
pub const GROUP: &str = "interaction.persister";

/// An article or user id, from a number that a test chose.
#[must_use]
pub fn id<T: TryFrom<i64, Error: std::fmt::Debug>>(number: i64) -> T {
    T::try_from(number).expect("tests use positive ids")
}
