//! What the suites share: an HTTP client that speaks as a user, and looks into the stores behind the service's back.

mod api;
mod stores;

pub use api::{Answer, Api, Ask};
pub use stores::{Topic, likers, partition_of, redis, rows};

/// An article or user id, from a number that a test chose.
#[must_use]
pub fn id<T: TryFrom<i64, Error: std::fmt::Debug>>(number: i64) -> T {
    T::try_from(number).expect("tests use positive ids")
}
