//! Redis as a master with two replicas that three sentinels watch, and `min-replicas-to-write`. Clients reach the master by a
//! proxy that asks a sentinel where it is. All tests share one running system, one after the other, and each leaves it whole.

mod failover;
mod replicas;
mod system;

use std::time::Duration;

/// How long to wait for anything.
const PATIENCE: Duration = Duration::from_mins(1);
