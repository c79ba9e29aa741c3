//! The scripts that count views and reads.

use super::{
    At, Call, Command, Gate, Limit, Reply, Script,
    text::{READ, VIEW},
};
use crate::{
    ArticleId, Partition, UserId,
    keys::{self, Subject},
};

/// `view.lua`: counts a page view and its visitor.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Of which article.
    pub article: ArticleId,
    /// Who is counted as a visitor, and whose limit it is.
    pub visitor: Subject<'a>,
    /// Names the client address's limit.
    pub ip_hash: &'a str,
    /// The visitor's, and the client address's.
    pub limits: [Limit; 2],
}

/// An article's views after one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewed {
    /// Page views.
    pub pv: i64,
    /// Visitors.
    pub uv: i64,
    /// When it was counted, in ms by the server's clock.
    pub at_ms: i64,
    /// The partition's epoch.
    pub epoch: i64,
    /// What is left of the visitor's limit.
    pub gate: Gate,
}

impl Call for View<'_> {
    type Answer = Viewed;
    const SCRIPT: Script = VIEW;

    fn partition(&self) -> Partition {
        Partition::of(self.article)
    }

    fn command(&self, at: At<'_>) -> Command {
        let (article, partition) = (self.article, self.partition());
        let mut command = Command::new([
            keys::warm(partition),
            keys::limit(article, "view", self.visitor),
            keys::limit(article, "view", Subject::Address(self.ip_hash)),
            keys::pv(article),
            keys::uv(article),
            keys::changed(partition),
        ]);
        command.server(at).deadline(at).arg(self.visitor).arg(article).limits(&self.limits);
        command
    }

    fn limits(&self) -> &[Limit] {
        &self.limits
    }

    fn answer(&self, reply: &mut Reply) -> Option<Viewed> {
        let (pv, uv, at_ms, epoch) = (reply.int()?, reply.int()?, reply.int()?, reply.int()?);
        Some(Viewed { pv, uv, at_ms, epoch, gate: Gate::read(reply)? })
    }
}

/// A view token as `read.lua` takes it.
#[derive(Debug, Clone, Copy)]
pub struct Used<'a> {
    /// What tells it from every other token.
    pub id: &'a str,
    /// The epoch that it was made in.
    pub epoch: i64,
    /// When it was made, in ms by the server's clock.
    pub viewed_ms: i64,
    /// Milliseconds after which it counts.
    pub after_ms: i64,
    /// Milliseconds after which it no longer does.
    pub lifetime_ms: i64,
}

/// `read.lua`: counts a read, once for each view token.
#[derive(Debug, Clone, Copy)]
pub struct Read<'a> {
    /// Of which article.
    pub article: ArticleId,
    /// Whose; none for a visitor.
    pub user: Option<UserId>,
    /// The view that is read.
    pub token: Used<'a>,
    /// The outbox's length at which changes are refused.
    pub outbox_max: u64,
    /// The client address's.
    pub limit: Limit,
    /// Goes into the event.
    pub request_id: &'a str,
    /// Goes into the event, and names the limit.
    pub ip_hash: &'a str,
}

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Whether it counted; a token that has counted before does not.
    pub counted: bool,
    /// The article's reads now.
    pub reads: i64,
}

impl Call for Read<'_> {
    type Answer = Reading;
    const SCRIPT: Script = READ;

    fn partition(&self) -> Partition {
        Partition::of(self.article)
    }

    fn command(&self, at: At<'_>) -> Command {
        let (article, partition, token) = (self.article, self.partition(), self.token);
        let mut command = Command::new([
            keys::warm(partition),
            keys::outbox(partition),
            keys::limit(article, "read", Subject::Address(self.ip_hash)),
            keys::reads(article),
            keys::used_token(article, token.id),
            keys::changed(partition),
        ]);
        command.server(at).deadline(at).arg(self.user.map(|user| user.to_string()).unwrap_or_default()).arg(article);
        command.arg(self.outbox_max).arg(token.epoch).arg(token.viewed_ms).arg(token.after_ms).arg(token.lifetime_ms);
        command.limits(&[self.limit]).arg(self.request_id).arg(self.ip_hash);
        command
    }

    fn limits(&self) -> &[Limit] {
        std::slice::from_ref(&self.limit)
    }

    fn answer(&self, reply: &mut Reply) -> Option<Reading> {
        Some(Reading { counted: reply.flag()?, reads: reply.int()? })
    }
}
