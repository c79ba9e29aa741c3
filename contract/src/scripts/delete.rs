//! The script that removes an article.

use super::part::Each;
use crate::{ArticleId, Kind, Partition, Version, keys};

answer! {
    /// What was removed.
    Removed {
        /// The last id of the outbox: every event of the article up to it happened before.
        last: Version,
        /// When, in ms by the server's clock.
        at_ms: i64,
        /// The partition's epoch.
        epoch: u64,
        /// Page views.
        pv: u64,
        /// Visitors.
        uv: u64,
        /// Reads.
        reads: u64,
        /// How many users had each of [`Kind::ALL`] on, in that order.
        by_kind: Vec<u64>,
    }
}

script! {
    /// `delete_article.lua`: removes all that Redis has of an article. Twice it removes nothing more.
    DeleteArticle = DELETE_ARTICLE -> Removed {
        /// Which.
        article: ArticleId,
        /// No projector with a lower one writes to the partition afterwards.
        token: u64,
    }
    |call, at| in Partition::of(call.article.number()),
    keys(
        keys::warm(call.partition()),
        keys::outbox(call.partition()),
        keys::projector(call.partition()),
        keys::changed(call.partition()),
        keys::saving(call.partition()),
        keys::pv(call.article.number()),
        keys::uv(call.article.number()),
        keys::reads(call.article.number()),
        Each(Kind::ALL.iter().map(|kind| {
            (keys::count(*kind, call.article.number()), keys::members(*kind, call.article.number()))
        })),
    ),
    args(at.server, &call.article, call.token)
}
