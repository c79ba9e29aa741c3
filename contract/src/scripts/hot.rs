//! The scripts that requests about kinds call.

use super::{
    At, Call, Command, Limit, Reply, Script,
    text::{LIMIT, QUERY, TOGGLE},
};
use crate::{
    ArticleId, Kind, Partition, UserId,
    keys::{self, Subject},
};

/// What is left of the first limit of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// How many more requests would pass now.
    pub left: i64,
    /// Milliseconds until the burst is whole again.
    pub reset_ms: u64,
}

impl Gate {
    pub(super) fn read(reply: &mut Reply) -> Option<Self> {
        Some(Self { left: reply.int()?, reset_ms: reply.count()? })
    }
}

impl Command {
    pub(super) fn limits(&mut self, limits: &[Limit]) -> &mut Self {
        for Limit { burst, interval_us } in limits {
            self.arg(burst).arg(interval_us);
        }
        self
    }
}

/// `toggle.lua`: switches a kind whose truth is Redis on or off.
#[derive(Debug, Clone, Copy)]
pub struct Toggle<'a> {
    /// Which.
    pub kind: Kind,
    /// Whose.
    pub user: UserId,
    /// Of which article.
    pub article: ArticleId,
    /// On or off.
    pub on: bool,
    /// The outbox's length at which changes are refused.
    pub outbox_max: u64,
    /// The user's, and the client address's.
    pub limits: [Limit; 2],
    /// Goes into the event.
    pub request_id: &'a str,
    /// Goes into the event, and names the client address's limit.
    pub ip_hash: &'a str,
}

/// What a toggle came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toggled {
    /// Whether it changed anything.
    pub changed: bool,
    /// How many users have it on now.
    pub count: i64,
    /// What is left of the user's limit.
    pub gate: Gate,
}

impl Call for Toggle<'_> {
    type Answer = Toggled;
    const SCRIPT: Script = TOGGLE;

    fn partition(&self) -> Partition {
        Partition::of(self.article)
    }

    fn command(&self, at: At<'_>) -> Command {
        let Self { kind, user, article, .. } = *self;
        let partition = self.partition();
        let mut command = Command::new([
            keys::warm(partition),
            keys::barred(partition),
            keys::outbox(partition),
            keys::held(partition),
            keys::limit(article, kind.name(), Subject::User(user)),
            keys::limit(article, kind.name(), Subject::Address(self.ip_hash)),
            keys::count(kind, article),
            keys::members(kind, article),
        ]);
        command.server(at).deadline(at).arg(kind).arg(user).arg(article).arg(u8::from(self.on)).arg(self.outbox_max);
        command.limits(&self.limits).arg(self.request_id).arg(self.ip_hash);
        for other in kind.excludes() {
            command.key(keys::count(*other, article)).key(keys::members(*other, article)).arg(other);
        }
        command
    }

    fn limits(&self) -> &[Limit] {
        &self.limits
    }

    fn answer(&self, reply: &mut Reply) -> Option<Toggled> {
        Some(Toggled { changed: reply.flag()?, count: reply.int()?, gate: Gate::read(reply)? })
    }
}

/// `limit.lua`: charges the limits of a kind whose truth is MySQL.
#[derive(Debug, Clone, Copy)]
pub struct TakeLimit<'a> {
    /// Which.
    pub kind: Kind,
    /// Whose.
    pub user: UserId,
    /// Of which article.
    pub article: ArticleId,
    /// Names the client address's limit.
    pub ip_hash: &'a str,
    /// The user's, and the client address's.
    pub limits: [Limit; 2],
}

impl Call for TakeLimit<'_> {
    type Answer = Gate;
    const SCRIPT: Script = LIMIT;

    fn partition(&self) -> Partition {
        Partition::of(self.article)
    }

    fn command(&self, at: At<'_>) -> Command {
        let mut command = Command::new([
            keys::warm(self.partition()),
            keys::limit(self.article, self.kind.name(), Subject::User(self.user)),
            keys::limit(self.article, self.kind.name(), Subject::Address(self.ip_hash)),
        ]);
        command.server(at).deadline(at).limits(&self.limits);
        command
    }

    fn limits(&self) -> &[Limit] {
        &self.limits
    }

    fn answer(&self, reply: &mut Reply) -> Option<Gate> {
        Gate::read(reply)
    }
}

/// `query.lua`: the counters of articles of one partition, and what a user has on.
#[derive(Debug, Clone)]
pub struct Query {
    /// The partition of all the articles.
    pub partition: Partition,
    /// Which; none asks only whether the partition is warm.
    pub articles: Vec<ArticleId>,
    /// The caller; none for an anonymous one.
    pub user: Option<UserId>,
}

/// An article's counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queried {
    /// Page views.
    pub pv: i64,
    /// Visitors.
    pub uv: i64,
    /// Reads.
    pub reads: i64,
    /// For each of [`Kind::ALL`], in that order: how many users have it on, and whether the caller has; none for an
    /// anonymous caller.
    pub kinds: Vec<(i64, Option<bool>)>,
}

impl Call for Query {
    type Answer = Vec<Queried>;
    const SCRIPT: Script = QUERY;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn command(&self, at: At<'_>) -> Command {
        let mut command = Command::new([keys::warm(self.partition)]);
        for article in self.articles.iter().copied() {
            command.key(keys::pv(article)).key(keys::uv(article)).key(keys::reads(article));
            for kind in Kind::ALL.iter().copied() {
                command.key(keys::count(kind, article)).key(keys::members(kind, article));
            }
        }
        command.server(at).arg(self.user.map(|user| user.to_string()).unwrap_or_default()).arg(Kind::ALL.len());
        command
    }

    fn answer(&self, reply: &mut Reply) -> Option<Vec<Queried>> {
        reply.times(self.articles.len(), |reply| {
            let (pv, uv, reads) = (reply.int()?, reply.int()?, reply.int()?);
            let kinds = reply.times(Kind::ALL.len(), |reply| {
                let (count, on) = (reply.int()?, reply.flag()?);
                Some((count, self.user.map(|_| on)))
            })?;
            Some(Queried { pv, uv, reads, kinds })
        })
    }
}
