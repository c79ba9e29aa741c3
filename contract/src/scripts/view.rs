//! The scripts that count views and reads.

use super::{Gate, Limit};
use crate::{
    ArticleId, Partition, UserId,
    keys::{self, Subject},
};

answer! {
    /// An article's views after one more.
    Viewed {
        /// Page views.
        pv: i64,
        /// Visitors.
        uv: i64,
        /// When it was counted, in ms by the server's clock.
        at_ms: i64,
        /// The partition's epoch.
        epoch: i64,
        /// What is left of the visitor's limit.
        gate: Gate,
    }
}

script! {
    /// `view.lua`: counts a page view and its visitor.
    View<'a> = VIEW -> Viewed {
        /// Of which article.
        article: ArticleId,
        /// Who is counted as a visitor, and whose limit it is.
        visitor: Subject<'a>,
        /// Names the client address's limit.
        ip_hash: &'a str,
        /// The visitor's, and the client address's.
        limits: [Limit; 2],
    }
    |call, at| in Partition::of(call.article.number()),
    keys(
        keys::warm(call.partition()),
        keys::limit(call.article.number(), "view", call.visitor),
        keys::limit(call.article.number(), "view", Subject::Address(call.ip_hash)),
        keys::pv(call.article.number()),
        keys::uv(call.article.number()),
        keys::changed(call.partition()),
    ),
    packed(at.server, at.deadline_ms, call.visitor.text(), &call.article, &call.limits[..]),
    limits(&call.limits)
}

/// A view token as `read.lua` takes it.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// What tells it from every other token: 63 random bits.
    pub number: i64,
    /// The epoch that it was made in.
    pub epoch: i64,
    /// When it was made, in ms by the server's clock.
    pub viewed_ms: i64,
    /// Milliseconds after which it counts.
    pub after_ms: i64,
    /// Milliseconds after which it no longer does.
    pub lifetime_ms: i64,
}

answer! {
    /// What a read came to.
    Reading {
        /// Whether it counted; a token that has counted before does not.
        counted: bool,
        /// The article's reads now.
        reads: i64,
    }
}

script! {
    /// `read.lua`: counts a read, once for each view token.
    Read<'a> = READ -> Reading {
        /// Of which article.
        article: ArticleId,
        /// Whose; none for a visitor.
        user: Option<UserId>,
        /// The view that is read.
        token: Used,
        /// The outbox's length at which changes are refused.
        outbox_max: u64,
        /// The client address's.
        limit: Limit,
        /// Goes into the event.
        request_id: &'a str,
        /// Goes into the event, and names the limit.
        ip_hash: &'a str,
    }
    |call, at| in Partition::of(call.article.number()),
    keys(
        keys::warm(call.partition()),
        keys::outbox(call.partition()),
        keys::limit(call.article.number(), "read", Subject::Address(call.ip_hash)),
        keys::reads(call.article.number()),
        keys::used_tokens(call.article.number(), call.token.viewed_ms),
        keys::changed(call.partition()),
    ),
    packed(
        at.server, at.deadline_ms, call.user.as_ref(), &call.article, call.outbox_max, itoa::Buffer::new().format(call.token.number),
        call.token.epoch, call.token.viewed_ms, call.token.after_ms, call.token.lifetime_ms, call.limit, call.request_id, call.ip_hash,
    ),
    limits(std::slice::from_ref(&call.limit))
}
