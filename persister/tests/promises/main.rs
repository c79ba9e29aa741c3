//! The persister's promises, on real Redis, MariaDB and Kafka.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod consume;
mod relay;
mod warm;
mod world;
