//! What the stores hold, in values that can be compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use contract::{ArticleNumber, Kind, keys};

use crate::world::World;

/// All that is on: kind, user and article.
pub(crate) type On = BTreeSet<(Kind, i64, i64)>;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tables {
    /// Article, code of the kind, user, status and version.
    pub(crate) rows: Vec<(i64, u8, i64, i8, i64, i64)>,
    /// Article, code of the kind and count; none that is 0.
    counts: Vec<(i64, u8, i64)>,
    /// Article and reads; none that is 0.
    reads: Vec<(i64, i64)>,
    /// User, article and version.
    pub(crate) user_reads: Vec<(i64, i64, i64, i64)>,
}

impl Tables {
    /// Whether each count is the sum of its states.
    pub(crate) fn assert_counts(&self) {
        let mut sums: BTreeMap<(i64, u8), i64> = BTreeMap::new();
        for (article, kind, _, status, ..) in &self.rows {
            *sums.entry((*article, *kind)).or_default() += i64::from(*status);
        }
        sums.retain(|_, sum| *sum > 0);
        let counts = self.counts.iter().map(|(article, kind, count)| ((*article, *kind), *count));
        assert_eq!(counts.collect::<BTreeMap<_, _>>(), sums);
    }
}

impl World {
    /// All that events decide, in one value that can be compared.
    pub(crate) async fn tables(&self) -> Tables {
        let rows =
            "SELECT article_id, kind, user_id, status, version_ms, version_seq FROM interaction ORDER BY 1, 2, 3";
        let counts = "SELECT article_id, kind, count FROM interaction_count WHERE count > 0 ORDER BY 1, 2";
        let reads = "SELECT article_id, read_count FROM article_stats WHERE read_count > 0 ORDER BY 1";
        let user_reads = "SELECT user_id, article_id, version_ms, version_seq FROM user_read ORDER BY 1, 2";
        Tables {
            rows: sqlx::query_as(rows).fetch_all(&self.mysql).await.unwrap(),
            counts: sqlx::query_as(counts).fetch_all(&self.mysql).await.unwrap(),
            reads: sqlx::query_as(reads).fetch_all(&self.mysql).await.unwrap(),
            user_reads: sqlx::query_as(user_reads).fetch_all(&self.mysql).await.unwrap(),
        }
    }

    /// All that is on by MySQL; the counts must be of it.
    pub(crate) async fn standing(&self) -> On {
        let tables = self.tables().await;
        tables.assert_counts();
        let on = tables.rows.iter().filter(|row| row.3 == 1);
        on.map(|(article, kind, user, ..)| (Kind::from_code(*kind).unwrap(), *user, *article)).collect()
    }

    /// The same of these articles by Redis.
    pub(crate) async fn standing_in_redis(&self, articles: RangeInclusive<i64>) -> On {
        let mut found = On::new();
        for id in articles {
            let article = ArticleNumber::try_from(id).unwrap();
            for kind in Kind::ALL.iter().copied() {
                found.extend(self.members(kind, article).await.into_iter().map(|user| (kind, user, id)));
            }
        }
        found
    }

    /// The users who have it on by Redis; the count must be theirs.
    pub(crate) async fn members(&self, kind: Kind, article: ArticleNumber) -> Vec<i64> {
        let mut redis = self.redis().await;
        let members = keys::members(kind, article);
        let mut ask = redis::pipe();
        ask.get(format!("{members}:n")).get(keys::count(kind, article));
        let (sets, count): (Option<i64>, Option<usize>) = ask.query_async(&mut redis).await.unwrap();
        let mut ask = redis::pipe();
        ask.smembers(&members);
        for set in 1..sets.unwrap_or(1) {
            ask.smembers(format!("{members}:{set}"));
        }
        let users: Vec<Vec<i64>> = ask.query_async(&mut redis).await.unwrap();
        let users = users.concat();
        assert_eq!(count.unwrap_or(0), users.len(), "the count of {kind} of article {article}");
        users
    }
}
