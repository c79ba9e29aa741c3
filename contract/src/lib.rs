//! The contract between components, persister and tests: kinds, ids, partitions, Redis keys, scripts and events.
//!
//! Input is parsed once, at the border. After that, a value of one of these types is valid.

mod cluster;
mod counter;
mod event;
mod id;
pub mod keys;
mod kind;
mod outbox;
mod partition;
pub mod scripts;
mod session;
mod version;

pub use cluster::{Address, Topology, slot};
pub use counter::Counter;
pub use event::{Cause, Change, DecodeError, Event, Fields};
pub use id::{ArticleId, ArticleNumber, FIRST_NAME, IdError, MAX_ID, NumberError, UserId, UserNumber};
pub use kind::{Kind, KindError, Pair, Truth, Written};
pub use outbox::OutboxEntry;
pub use partition::Partition;
pub use session::SESSION;
pub use version::{Version, VersionError};
