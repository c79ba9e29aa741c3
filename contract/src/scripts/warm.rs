//! The scripts of the warm rule and of a rebuild. A partition that is fenced for a rebuild is named by the rebuild's id
//! rather than by its server.

use super::part::Each;
use crate::{ArticleNumber, Kind, Partition, UserNumber, Version, keys};

answer! {
    /// What is known of a partition.
    State {
        /// The server whose data was known to be whole; empty for none, or for a rebuild under way.
        server: String,
        /// 0 where there is no marker at all.
        epoch: u64,
        /// The outbox's last id.
        last: Version,
        /// Entries in the outbox.
        waiting: u64,
        /// The oldest of them.
        oldest: Option<Version>,
        /// The id of the rebuild that it is fenced for; empty for none.
        rebuild: String,
        /// How many times the projections here were written. A server that has fewer writes than MySQL knows of lost some.
        writes: u64,
    }
}

script! {
    /// `partition_state.lua`: what is known of a partition, warm or not.
    PartitionState = PARTITION_STATE -> State {
        /// Which.
        partition: Partition,
    }
    |call, _at| in call.partition,
    keys(keys::warm(call.partition), keys::outbox(call.partition), keys::projector(call.partition)), args()
}

script! {
    /// `fence.lua`: fences a partition for a rebuild.
    Fence<'a> = FENCE -> () {
        /// Which.
        partition: Partition,
        /// The id of the rebuild.
        rebuild: &'a str,
    }
    |call, at| in call.partition, keys(keys::warm(call.partition)), args(call.rebuild, at.server)
}

script! {
    /// `clear.lua`: removes keys of a partition that is fenced for this rebuild.
    Clear<'a> = CLEAR -> () {
        /// Which.
        partition: Partition,
        /// The id of the rebuild.
        rebuild: &'a str,
        /// The keys, all of the partition; some thousands at most.
        keys: Vec<String>,
    }
    |call, _at| in call.partition,
    keys(keys::warm(call.partition), Each(call.keys.iter().map(String::as_str))), args(call.rebuild)
}

script! {
    /// `restore_members.lua`: writes users who have a kind on for an article back from MySQL.
    RestoreMembers<'a> = RESTORE_MEMBERS -> () {
        /// The id of the rebuild.
        rebuild: &'a str,
        /// Of which kind.
        kind: Kind,
        /// Of which article.
        article: ArticleNumber,
        /// How many users the article has in all.
        total: usize,
        /// Some of them; 5,000 at most.
        users: &'a [UserNumber],
    }
    |call, _at| in Partition::of(call.article),
    keys(
        keys::warm(call.partition()), keys::count(call.kind, call.article), keys::members(call.kind, call.article),
    ),
    args(call.rebuild, call.total, call.users)
}

script! {
    /// `restore_stats.lua`: writes an article's page views, visitors and reads back from MySQL.
    RestoreStats<'a> = RESTORE_STATS -> () {
        /// The id of the rebuild.
        rebuild: &'a str,
        /// Of which article.
        article: ArticleNumber,
        /// Page views.
        pv: i64,
        /// The bytes of the visitors' `HyperLogLog`, as they were saved; empty for none.
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
    /// `restore_bars.lua`: writes barred users back from MySQL.
    RestoreBars<'a> = RESTORE_BARS -> () {
        /// Into which partition; each has all of them.
        partition: Partition,
        /// The id of the rebuild.
        rebuild: &'a str,
        /// Whom; 1,000 at most.
        users: &'a [UserNumber],
    }
    |call, _at| in call.partition,
    keys(keys::warm(call.partition), keys::barred(call.partition)), args(call.rebuild, call.users)
}

/// A rebuild that is complete.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rebuilt<'a> {
    /// Its id.
    pub rebuild: &'a str,
    /// Every new version must be above this one.
    pub above: Version,
    /// A new token: no process that wrote projections before writes them here any more.
    pub token: u64,
    /// How many writes of projections MySQL knows of.
    pub writes: u64,
}

script! {
    /// `warm.lua`: declares a server's data of a partition whole.
    Warm<'a> = WARM -> () {
        /// Which.
        partition: Partition,
        /// After a rebuild the next one, else the one that was seen.
        epoch: u64,
        /// The relay's consumer group.
        group: &'a str,
        /// What was done before; the default where nothing was lost.
        rebuilt: Rebuilt<'a>,
    }
    |call, at| in call.partition,
    keys(keys::warm(call.partition), keys::outbox(call.partition), keys::projector(call.partition)),
    args(
        at.server, call.epoch, call.rebuilt.above, call.rebuilt.rebuild, call.group, call.rebuilt.token,
        call.rebuilt.writes,
    )
}
