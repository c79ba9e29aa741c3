//! The Redis keys: the only place where one is spelled.

use std::fmt::{self, Display, Formatter};

use crate::{ArticleId, Partition, UserId};

fn of_article(kind: &str, article: ArticleId) -> String {
    format!("{{{}}}:{kind}:{article}", Partition::of(article))
}

/// The article's like count.
#[must_use]
pub fn likes(article: ArticleId) -> String {
    of_article("article:like", article)
}

/// Who likes the article: the first of its sets of user ids; the further ones append `:<bucket>`, and `:n` tells how
/// many there are (see `lua/include/members.lua`).
#[must_use]
pub fn members(article: ArticleId) -> String {
    of_article("user:like", article)
}

/// The article's page views.
#[must_use]
pub fn pv(article: ArticleId) -> String {
    of_article("article:pv", article)
}

/// The article's visitors, a `HyperLogLog`.
#[must_use]
pub fn uv(article: ArticleId) -> String {
    of_article("article:uv", article)
}

/// The article's reads.
#[must_use]
pub fn reads(article: ArticleId) -> String {
    of_article("article:read", article)
}

/// A view token that has counted.
#[must_use]
pub fn used_token(article: ArticleId, token_id: &str) -> String {
    format!("{{{}}}:read:used:{token_id}", Partition::of(article))
}

/// Whose requests a frequency limit counts.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A signed-in user.
    User(UserId),
    /// A visitor, by the id in the signed cookie.
    Visitor(&'a str),
    /// A client address, which is kept as a keyed hash only.
    Address(&'a str),
}

impl Display for Subject<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(out, "user:{id}"),
            Self::Visitor(id) => write!(out, "visitor:{id}"),
            Self::Address(hash) => write!(out, "address:{hash}"),
        }
    }
}

/// A frequency limit; `action` is `like`, `collect`, `view` or `read`.
#[must_use]
pub fn limit(article: ArticleId, action: &str, subject: Subject<'_>) -> String {
    format!("{{{}}}:limit:{action}:{subject}", Partition::of(article))
}

/// The stream of events not yet in Kafka.
#[must_use]
pub fn outbox(partition: Partition) -> String {
    format!("{{{partition}}}:outbox")
}

/// The set of users who may not like here.
#[must_use]
pub fn barred(partition: Partition) -> String {
    format!("{{{partition}}}:barred")
}

/// Pairs of user and article that are being looked into, as `user:article`, by when that ends at the latest.
#[must_use]
pub fn held(partition: Partition) -> String {
    format!("{{{partition}}}:held")
}

/// The warm marker: a hash of `run_id` and `epoch`.
#[must_use]
pub fn warm(partition: Partition) -> String {
    format!("{{{partition}}}:warm")
}

/// The set of articles whose PV, UV or reads changed since the last snapshot.
#[must_use]
pub fn changed(partition: Partition) -> String {
    format!("{{{partition}}}:changed")
}

/// The same while a snapshot saves them.
#[must_use]
pub fn saving(partition: Partition) -> String {
    format!("{{{partition}}}:saving")
}

/// Matches the keys of all partitions, for SCAN.
pub const ANY: &str = "{*}:*";

/// The partition whose tag a key carries.
#[must_use]
pub fn partition_of(key: &str) -> Option<Partition> {
    let (tag, _) = key.strip_prefix('{')?.split_once("}:")?;
    Partition::from_number(tag.parse().ok()?)
}
