//! The Lua scripts of `lua/`. Each script has one type here, whose fields are its parameters. KEYS and ARGV are in the
//! order of the script's header. Components and persister call scripts only by these types.

#[macro_use]
mod declare;
mod call;
mod delete;
mod follow;
mod hot;
mod import;
mod jwks;
mod packed;
mod part;
mod reply;
mod revoke;
mod snapshot;
mod text;
mod view;
mod warm;

pub use call::{At, Call, Command, Limit, send};
pub use delete::{DeleteArticle, Removed};
pub use follow::{Ack, Compare, Compared, Entry, Project, Restate};
pub use hot::{Gate, Queried, Query, TakeLimit, Toggle, Toggled};
pub use import::{CountersImported, EXCLUDED, HOLD_RAN_OUT, IMPORTED, Import, ImportCounters, Imported, WAS_THERE};
pub use jwks::{JwksPut, JwksTake, JwksTaken, TakeTurn, Turn};
pub use part::Part;
pub use reply::{FromReply, Refusal, Reply, Value};
pub use revoke::{Held, Hold, Release, Undo, Undone};
pub use snapshot::{Counters, SnapshotDone, SnapshotRead, SnapshotTake, Taken};
pub use text::{ALL, Script};
pub use view::{Read, Reading, Used, View, Viewed};
pub use warm::{Clear, Fence, PartitionState, Rebuilt, RestoreBars, RestoreMembers, RestoreStats, State, Warm};
