//! What the suites share: an HTTP client that speaks as a user and holds every answer against the description of the
//! interface, looks into the stores behind the service's back, and the comparison of both.

mod answer;
mod api;
mod compare;
mod connection;
mod description;
mod log;
mod model;
mod numbers;
pub mod site;
mod stores;

pub use answer::Answer;
pub use api::{Api, Ask, BROWSER};
pub use compare::{Wrong, compare, drained};
pub use connection::{Redis, call, redis};
pub use description::{DESCRIPTION, conforms, health_routes, resolved};
pub use log::Log;
pub use model::{Model, Pair};
pub use numbers::{id, number};
pub use stores::{Topic, counts, interactions, members, mysql, partition_of, rows};

/// The consumer group of the persister.
pub const GROUP: &str = "interaction.persister";
