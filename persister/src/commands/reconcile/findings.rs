//! What a comparison finds.

use std::collections::{BTreeMap, BTreeSet};

use contract::{ArticleId, UserId, Version};
use serde::Serialize;

/// Articles, each with the users whose likes may differ.
pub(super) type Suspects = BTreeMap<ArticleId, BTreeSet<UserId>>;

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// Whether a user likes an article: found in Redis, against MySQL; 1 or 0.
    Like,
    /// Redis's count, against the number of its own likes.
    RedisCount,
    /// MySQL's count, against the number of its own likes.
    MysqlCount,
}

/// One difference, certain.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Difference {
    pub(super) what: What,
    pub(super) article_id: ArticleId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<UserId>,
    pub(super) found: i64,
    pub(super) against: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mysql_version: Option<Version>,
    pub(super) repaired: bool,
}

impl Difference {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.what, self.article_id, self.user_id) == (other.what, other.article_id, other.user_id)
    }
}

/// All that a comparison found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) differences: Vec<Difference>,
    /// Articles of partitions that are not warm.
    pub(super) cold: BTreeSet<ArticleId>,
    /// Likes that changed each time they were looked at.
    pub(super) moving: usize,
}
