//! The scripts that bring in what another system had.

use super::part::Each;
use crate::{ArticleId, ArticleNumber, Kind, Partition, UserNumber, keys};

script! {
    /// `import.lua`: switches a kind on for pairs that are held. For kinds whose truth is Redis. The answer is in the order of the
    /// pairs: see [`IMPORTED`] and its neighbours.
    Import<'a> = IMPORT -> Vec<u64> {
        /// The partition of all the articles.
        partition: Partition,
        /// Which kind.
        kind: Kind,
        /// For whom, of which article; some hundreds at most.
        pairs: &'a [(UserNumber, ArticleNumber)],
        /// When the pairs' hold runs out, as [`super::Held`] says.
        until: &'a str,
    }
    |call, at| in call.partition,
    keys(
        keys::warm(call.partition), keys::held(call.partition),
        Each(call.pairs.iter().map(|(_, article)| {
            let excluded = call.kind.excludes().iter().map(|kind| keys::members(*kind, *article));
            ((keys::count(call.kind, *article), keys::members(call.kind, *article)), Each(excluded))
        })),
    ),
    args(
        at.server, call.kind, call.kind.excludes().len(), call.until,
        Each(call.pairs.iter().copied()),
    )
}

/// The pair's hold has run out; nothing was done.
pub const HOLD_RAN_OUT: u64 = 0;
/// It is on, or the counters are set, since this call.
pub const IMPORTED: u64 = 1;
/// It was on, or the counters had these values.
pub const WAS_THERE: u64 = 2;
/// A kind is on that excludes it; nothing was done.
pub const EXCLUDED: u64 = 3;

script! {
    /// `import_counters.lua`: sets an article's PV and reads. Answers [`IMPORTED`], [`WAS_THERE`], or 0 where something has been
    /// counted before.
    ImportCounters = IMPORT_COUNTERS -> u64 {
        /// Of which article.
        article: ArticleId,
        /// Page views.
        pv: u64,
        /// Reads.
        reads: u64,
    }
    |call, at| in Partition::of(call.article.number()),
    keys(
        keys::warm(call.partition()), keys::pv(call.article.number()), keys::reads(call.article.number()),
        keys::changed(call.partition()),
    ),
    args(at.server, &call.article, call.pv, call.reads)
}
