//! The whole system on one machine, as child processes on free ports with data in a folder of their own: for `make up`,
//! the tests and the benches.
//!
//! [`Stack::start`] brings all of it up. Each part also starts by itself ([`Redis::start_in`], [`MariaDb::start_in`],
//! [`Kafka::start_in`], [`Persister::new`], [`App::new`]) and is a [`Service`]: it can be killed, paused and restarted
//! on the same port and data while others go on. What was started dies with the value that holds it, and with the
//! process that started it.

mod app;
mod clock;
mod cluster;
mod compose;
mod folder;
mod identity;
mod kafka;
mod mariadb;
mod network;
mod options;
mod paths;
mod persister;
mod ports;
mod process;
mod proxy;
mod redis;
mod sentinel;
mod stack;
mod tls;
mod wait;

pub use app::App;
pub use cluster::{Cluster, ask};
pub use identity::{dev, token, token_with};
pub use kafka::Kafka;
pub use mariadb::MariaDb;
pub use network::Network;
pub use options::Options;
pub use paths::{binary, cache, root};
pub use persister::Persister;
pub use process::Service;
pub use proxy::Proxy;
pub use redis::{PATIENT, Redis, patient};
pub use sentinel::Sentinel;
pub use stack::Stack;
pub use tls::Tls;
pub use wait::wait_for;
