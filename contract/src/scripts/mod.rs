//! The Lua scripts of `lua/`: each has one type here, whose fields are what it is called with and whose [`Call`] knows the
//! order of KEYS and ARGV and how the answer is read. Components and persister call a script in no other way.

mod call;
mod follow;
mod hot;
mod revoke;
mod snapshot;
mod text;
mod view;
mod warm;

pub use call::{At, Call, Command, Limit, Refusal, Reply, Value, send};
pub use follow::{Ack, Compare, Compared, Entry, Project, Restate};
pub use hot::{Gate, Queried, Query, TakeLimit, Toggle, Toggled};
pub use revoke::{Held, Hold, Release, Undo, Undone};
pub use snapshot::{Counters, SnapshotDone, SnapshotRead, SnapshotTake};
pub use text::{ALL, Script};
pub use view::{Read, Reading, Used, View, Viewed};
pub use warm::{Clear, Fence, PartitionState, Rebuilt, RestoreBars, RestoreMembers, RestoreStats, State, Warm};
