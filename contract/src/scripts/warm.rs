//! The scripts of the warm rule and of a rebuild. While a partition is fenced for a rebuild, its marker has the
//! rebuild's id instead of a server's name.

use super::part::Each;
use crate::{
    ArticleNumber, Kind, Partition, UserNumber, Version,
    keys::{self, BarSet},
};

answer! {
    /// What Redis knows of a partition.
    State {
        /// The server whose data was known to be whole. Empty for none, and during a rebuild.
        server: String,
        /// 0 if there is no marker.
        epoch: u64,
        /// The outbox's last id.
        last: Version,
        /// Entries in the outbox.
        waiting: u64,
        /// The oldest entry in the outbox.
        oldest: Option<Version>,
        /// The id of the rebuild for which the partition is fenced. Empty for none.
        rebuild: String,
        /// How many times the projections were written. A server with fewer writes than MySQL knows of has lost some.
        writes: u64,
    }
}

script! {
    /// `partition_state.lua`: the state of a partition, warm or not.
    PartitionState = PARTITION_STATE -> State {
        /// The partition.
        partition: Partition,
    }
    |call, _at| in call.partition,
    keys(keys::warm(call.partition), keys::outbox(call.partition), keys::projector(call.partition)), args()
}

script! {
    /// `fence.lua`: fences a partition for a rebuild.
    Fence<'a> = FENCE -> () {
        /// The partition.
        partition: Partition,
        /// The id of the rebuild.
        rebuild: &'a str,
    }
    |call, at| in call.partition, keys(keys::warm(call.partition)), args(call.rebuild, at.server)
}

script! {
    /// `clear.lua`: removes keys of a partition that is fenced for this rebuild.
    Clear<'a> = CLEAR -> () {
        /// The partition.
        partition: Partition,
        /// The id of the rebuild.
        rebuild: &'a str,
        /// The keys, all of this partition; a few thousand at most.
        keys: Vec<String>,
    }
    |call, _at| in call.partition,
    keys(keys::warm(call.partition), Each(call.keys.iter().map(String::as_str))), args(call.rebuild)
}

script! {
    /// `restore_members.lua`: restores users who have a kind on for an article from MySQL.
    RestoreMembers<'a> = RESTORE_MEMBERS -> () {
        /// The id of the rebuild.
        rebuild: &'a str,
        /// The kind.
        kind: Kind,
        /// The article.
        article: ArticleNumber,
        /// About how many users the article has in all. The number of their sets follows from it, so it is the same in each call.
        about: u64,
        /// Some of the users; 5,000 at most.
        users: &'a [UserNumber],
    }
    |call, _at| in Partition::of(call.article),
    keys(
        keys::warm(call.partition()), keys::count(call.kind, call.article), keys::members(call.kind, call.article),
    ),
    args(call.rebuild, call.about, call.users)
}

script! {
    /// `restore_stats.lua`: restores an article's page views, visitors and reads from MySQL.
    RestoreStats<'a> = RESTORE_STATS -> () {
        /// The id of the rebuild.
        rebuild: &'a str,
        /// The article.
        article: ArticleNumber,
        /// Page views.
        pv: i64,
        /// The saved bytes of the visitors' `HyperLogLog`; empty for none.
        uv_sketch: Vec<u8>,
        /// Reads.
        reads: i64,
    }
    |call, _at| in Partition::of(call.article),
    keys(
        keys::warm(call.partition()), keys::pv(call.article), keys::uv(call.article), keys::reads(call.article),
    ),
    args(call.rebuild, call.pv, call.uv_sketch.clone(), call.reads)
}

script! {
    /// `restore_bars.lua`: restores barred users from MySQL.
    RestoreBars<'a> = RESTORE_BARS -> () {
        /// The partition; each has a copy of all bars.
        partition: Partition,
        /// The set that has these users.
        set: BarSet,
        /// The id of the rebuild.
        rebuild: &'a str,
        /// The users; 1,000 at most.
        users: &'a [UserNumber],
    }
    |call, _at| in call.partition,
    keys(keys::warm(call.partition), keys::bar_sets(call.partition), keys::barred(call.partition, call.set)),
    args(call.rebuild, i64::from(call.set.get()), call.users)
}

/// A completed rebuild.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rebuilt<'a> {
    /// The id of the rebuild.
    pub rebuild: &'a str,
    /// Every new version must be greater than this one.
    pub above: Version,
    /// A new token, which keeps earlier processes from writing projections here.
    pub token: u64,
    /// How many writes of projections MySQL knows of.
    pub writes: u64,
}

script! {
    /// `warm.lua`: declares a server's data of a partition whole.
    Warm<'a> = WARM -> () {
        /// The partition.
        partition: Partition,
        /// The epoch: after a rebuild a new one, otherwise the present one.
        epoch: u64,
        /// The relay's consumer group.
        group: &'a str,
        /// The rebuild. The default if nothing was lost.
        rebuilt: Rebuilt<'a>,
    }
    |call, at| in call.partition,
    keys(keys::warm(call.partition), keys::outbox(call.partition), keys::projector(call.partition)),
    args(
        at.server, call.epoch, call.rebuilt.above, call.rebuilt.rebuild, call.group, call.rebuilt.token,
        call.rebuilt.writes,
    )
}
