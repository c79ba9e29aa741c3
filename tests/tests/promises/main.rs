//! The persister's promises, on real Redis, MariaDB and Kafka.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod bars;
mod caller;
mod consume;
mod delete_article;
mod delete_meanwhile;
mod dlq;
mod erase;
mod grow;
mod history;
mod import;
mod loss;
mod migrate;
mod names;
mod operate;
mod personal;
mod rebuild;
mod reconcile;
mod relay;
mod revoke;
mod rights;
mod scale;
mod settings;
mod snapshot;
mod tables;
mod trends;
mod warm;
mod world;
