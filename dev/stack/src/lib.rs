//! The whole system on one machine, as child processes on free ports with data in a folder of their own: for `make up`,
//! the tests and the benches.
//!
//! [`Stack::start`] brings all of it up. Each part also starts by itself ([`Redis::start_in`], [`MariaDb::start_in`],
//! [`Kafka::start_in`], [`Persister::new`], [`App::new`]) and is a [`Service`]: it can be killed, paused and restarted on
//! the same port and data while others go on. What was started dies with the value that holds it, and with the process
//! that started it.

mod app;
mod compose;
mod identity;
mod kafka;
mod mariadb;
mod paths;
mod persister;
mod ports;
mod process;
mod redis;
mod stack;
mod wait;

pub use app::App;
pub use identity::{dev, token, token_with};
pub use kafka::Kafka;
pub use mariadb::MariaDb;
pub use paths::{binary, root};
pub use persister::Persister;
pub use process::Service;
pub use redis::Redis;
pub use stack::{Options, Stack};
pub use wait::wait_for;
