//! The scripts that import pairs and counters of another system.

use super::part::Each;
use crate::{ArticleId, ArticleNumber, Kind, Partition, UserNumber, Version, keys};

answer! {
    /// The result of an import.
    Imported {
        /// The last id of the outbox. MySQL must know it before the import is reported: a Redis that ends below it has lost
        /// what was imported.
        last: Version,
        /// For each pair [`HOLD_RAN_OUT`], [`IMPORTED`], [`WAS_THERE`] or [`EXCLUDED`].
        outcomes: Vec<u64>,
    }
}

answer! {
    /// The result of an import of counters.
    CountersImported {
        /// As in [`Imported`].
        last: Version,
        /// [`IMPORTED`], [`WAS_THERE`], or 0 if the article has other counters.
        outcome: u64,
        /// The page views that the article has now.
        pv: u64,
    }
}

script! {
    /// `import.lua`: switches a kind on for held pairs. For kinds whose truth is Redis.
    Import<'a> = IMPORT -> Imported {
        /// The partition of all the articles.
        partition: Partition,
        /// The kind.
        kind: Kind,
        /// The users and articles; a few hundred at most.
        pairs: &'a [(UserNumber, ArticleNumber)],
        /// When the pairs' hold expires, as [`super::Held`] says.
        until: &'a str,
    }
    |call, at| in call.partition,
    keys(
        keys::warm(call.partition), keys::held(call.partition), keys::outbox(call.partition),
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

/// The pair's hold has expired. Nothing was done.
pub const HOLD_RAN_OUT: u64 = 0;
/// The pair was switched on, or the counters were set.
pub const IMPORTED: u64 = 1;
/// The pair was on before, or the counters had these values.
pub const WAS_THERE: u64 = 2;
/// Another kind is on that excludes this one. Nothing was done.
pub const EXCLUDED: u64 = 3;

script! {
    /// `import_counters.lua`: sets an article's PV and reads.
    ImportCounters = IMPORT_COUNTERS -> CountersImported {
        /// The article.
        article: ArticleId,
        /// Page views.
        pv: u64,
        /// Reads.
        reads: u64,
    }
    |call, at| in Partition::of(call.article.number()),
    keys(
        keys::warm(call.partition()), keys::outbox(call.partition()), keys::pv(call.article.number()),
        keys::reads(call.article.number()), keys::changed(call.partition()),
    ),
    args(at.server, &call.article, call.pv, call.reads)
}
