//! The results of a comparison.

use std::collections::{BTreeMap, BTreeSet};

use contract::{ArticleNumber, Kind, UserNumber, Version};
use serde::Serialize;

use crate::ledger::comparison::{Count, Counter};

/// The users for whom the stores may differ.
pub(super) type Suspects = BTreeMap<Counter, BTreeSet<UserNumber>>;

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// Whether a user has the kind on: found in Redis, compared with MySQL; 1 or 0.
    Status,
    /// Redis's count, compared with the number of users in Redis.
    RedisCount,
    /// MySQL's count, compared with the number of users in MySQL.
    MysqlCount,
}

/// A proven difference.
#[derive(Debug, Clone)]
pub(super) struct Difference {
    pub(super) what: What,
    pub(super) article_id: ArticleNumber,
    pub(super) kind: Kind,
    pub(super) user_id: Option<UserNumber>,
    pub(super) found: i64,
    pub(super) against: i64,
    pub(super) mysql_version: Option<Version>,
    pub(super) repaired: bool,
}

impl Difference {
    /// Identifies a difference, and sorts differences.
    pub(super) fn key(&self) -> (ArticleNumber, Kind, What, Option<UserNumber>) {
        (self.article_id, self.kind, self.what, self.user_id)
    }
}

/// Everything that a comparison found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) differences: Vec<Difference>,
    /// Articles in partitions that are not warm.
    pub(super) cold: BTreeSet<ArticleNumber>,
    /// How many users' states and how many counts changed every time they were checked.
    pub(super) moving: usize,
}

impl Findings {
    /// Records a count that is wrong.
    pub(super) fn note(&mut self, what: What, count: &Count) {
        let Count { of: (article_id, kind), found, members: against } = *count;
        if found != against {
            let difference = Difference {
                what,
                article_id,
                kind,
                user_id: None,
                found,
                against,
                mysql_version: None,
                repaired: false,
            };
            self.differences.push(difference);
        }
    }
}
