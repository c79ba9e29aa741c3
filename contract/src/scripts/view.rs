//! The scripts that count views and reads.

use super::{Gate, Limit};
use crate::{
    ArticleId, Partition, UserId,
    keys::{self, Subject},
};

answer! {
    /// An article's views, including this one.
    Viewed {
        /// Page views.
        pv: i64,
        /// Visitors.
        uv: i64,
        /// The time of the view, in ms by the server's clock.
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
        /// The article.
        article: ArticleId,
        /// Who counts as the visitor, and whose limit applies.
        visitor: Subject<'a>,
        /// The keyed hash of the client address, the name of its limit.
        ip_hash: &'a str,
        /// The limits of the visitor and of the client address.
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

/// A view token, as `read.lua` takes it.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// 63 random bits that identify the token.
    pub number: i64,
    /// The epoch in which it was made.
    pub epoch: i64,
    /// When it was made, in ms by the server's clock.
    pub viewed_ms: i64,
    /// The milliseconds before it counts.
    pub after_ms: i64,
    /// The milliseconds after which it no longer counts.
    pub lifetime_ms: i64,
}

answer! {
    /// The result of a read.
    Reading {
        /// Whether the read counted. A token counts once.
        counted: bool,
        /// The article's reads now.
        reads: i64,
    }
}

script! {
    /// `read.lua`: counts a read, once for each view token.
    Read<'a> = READ -> Reading {
        /// The article.
        article: ArticleId,
        /// The user. None for a visitor.
        user: Option<UserId>,
        /// The view token.
        token: Used,
        /// The length of the outbox at which changes are refused.
        outbox_max: u64,
        /// The limit of the client address.
        limit: Limit,
        /// The id of the request, for the event.
        request_id: &'a str,
        /// The keyed hash of the client address: for the event, and the name of the limit.
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
