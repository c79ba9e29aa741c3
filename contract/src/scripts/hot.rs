//! The scripts of requests about kinds.

use super::{FromReply, Limit, Reply, part::Each};
use crate::{
    ArticleId, ArticleNumber, Kind, Partition, UserId, UserNumber,
    keys::{self, BarSet, Subject},
};

answer! {
    /// What is left of the first limit of a call.
    #[derive(Copy)]
    Gate {
        /// How many requests would pass now.
        left: i64,
        /// Milliseconds until the whole burst is available again.
        reset_ms: u64,
    }
}

answer! {
    /// The result of a toggle.
    Toggled {
        /// Whether it changed anything.
        changed: bool,
        /// The number of users who have the kind on.
        count: i64,
        /// What is left of the user's limit.
        gate: Gate,
    }
}

script! {
    /// `toggle.lua`: switches a kind whose truth is Redis on or off.
    Toggle<'a> = TOGGLE -> Toggled {
        /// The kind.
        kind: Kind,
        /// The user.
        user: UserId,
        /// The article.
        article: ArticleId,
        /// On or off.
        on: bool,
        /// The length of the outbox at which changes are refused.
        outbox_max: u64,
        /// The limits of the user and of the client address.
        limits: [Limit; 2],
        /// The id of the request, for the event.
        request_id: &'a str,
        /// The keyed hash of the client address: for the event, and the name of the address's limit.
        ip_hash: &'a str,
    }
    |call, at| in Partition::of(call.article.number()),
    keys(
        keys::warm(call.partition()),
        keys::barred(call.partition(), BarSet::of(call.user.number())),
        keys::outbox(call.partition()),
        keys::held(call.partition()),
        keys::limit(call.article.number(), call.kind.name(), Subject::User(call.user.number())),
        keys::limit(call.article.number(), call.kind.name(), Subject::Address(call.ip_hash)),
        of_kind(call.kind, call.article.number()),
        Each(call.kind.excludes().iter().map(|other| of_kind(*other, call.article.number()))),
    ),
    packed(
        at.server, call.kind, call.user.number(), call.article.number(), call.on, &call.user, &call.article,
        call.request_id, call.ip_hash, at.deadline_ms, call.outbox_max, &call.limits[..], call.kind.excludes(),
    ),
    limits(&call.limits)
}

/// The keys of a kind's count and members.
fn of_kind(kind: Kind, article: ArticleNumber) -> (String, String) {
    (keys::count(kind, article), keys::members(kind, article))
}

script! {
    /// `limit.lua`: charges the limits of a kind whose truth is MySQL.
    TakeLimit<'a> = LIMIT -> Gate {
        /// The kind.
        kind: Kind,
        /// The user.
        user: UserNumber,
        /// The article.
        article: ArticleNumber,
        /// The keyed hash of the client address, the name of its limit.
        ip_hash: &'a str,
        /// The limits of the user and of the client address.
        limits: [Limit; 2],
    }
    |call, at| in Partition::of(call.article),
    keys(
        keys::warm(call.partition()),
        keys::limit(call.article, call.kind.name(), Subject::User(call.user)),
        keys::limit(call.article, call.kind.name(), Subject::Address(call.ip_hash)),
    ),
    packed(at.server, at.deadline_ms, &call.limits[..]),
    limits(&call.limits)
}

script! {
    /// `query.lua`: the counters of articles on one server, and what a user has on. None for articles whose partition
    /// is cold.
    Query = QUERY -> Vec<Option<Queried>> {
        /// The articles with their partitions: at least one, and articles of one partition together.
        articles: Vec<(Partition, ArticleNumber)>,
        /// The caller. None for an anonymous caller.
        user: Option<UserNumber>,
    }
    |call, at| in call.articles.first().map_or_else(Partition::default, |(partition, _)| *partition),
    keys(keys::warm(call.partition())),
    packed(
        at.server, call.user, Kind::ALL.len(), keys::WARM, keys::PV, keys::UV, keys::READS,
        Each(Kind::ALL.iter().map(|kind| (keys::counts(*kind), keys::sets(*kind)))),
        Each(call.articles.iter().map(|(partition, article)| (keys::tag(*partition), *article))),
    )
}

/// An article's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queried {
    /// Page views.
    pub pv: i64,
    /// Visitors.
    pub uv: i64,
    /// Reads.
    pub reads: i64,
    /// For each of [`Kind::ALL`], in order: the number of users who have it on, and whether the caller has it on; none
    /// for an anonymous caller.
    pub kinds: [(i64, Option<bool>); Kind::COUNT],
}

/// In the order of the call's articles. None where the partition is cold.
impl FromReply for Vec<Option<Queried>> {
    fn read(reply: &mut Reply) -> Option<Self> {
        let text = String::read(reply)?;
        let mut numbers = text.split(' ').map(str::parse::<i64>);
        let mut all = Self::new();
        while let Some(pv) = numbers.next() {
            let (pv, mut next) = (pv.ok()?, || numbers.next()?.ok());
            let (uv, reads) = (next()?, next()?);
            let mut kinds = [(0, None); Kind::COUNT];
            for (count, on) in &mut kinds {
                *count = next()?;
                *on = next().map(|on| (on >= 0).then_some(on == 1))?;
            }
            all.push((pv >= 0).then_some(Queried { pv, uv, reads, kinds }));
        }
        Some(all)
    }
}
