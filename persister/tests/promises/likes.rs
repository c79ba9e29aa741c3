//! Likes as the component makes them.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    ArticleId, Partition, UserId, keys,
    keys::Subject,
    scripts::{self, Script},
};
use redis::aio::MultiplexedConnection;

use crate::world::World;

/// A connection that likes.
#[derive(Clone)]
pub(crate) struct Liker {
    redis: MultiplexedConnection,
    server: String,
}

impl World {
    pub(crate) async fn liker(&self) -> Liker {
        Liker { redis: self.redis().await, server: self.server().await.unwrap() }
    }

    /// Users and articles of all likes that stand, by MySQL; the counts must be theirs.
    pub(crate) async fn standing(&self) -> BTreeSet<(i64, i64)> {
        let tables = self.tables().await;
        tables.assert_counts();
        tables.likes.iter().filter(|row| row.2 == 1).map(|row| (row.0, row.1)).collect()
    }

    /// The same of these articles by Redis.
    pub(crate) async fn standing_in_redis(&self, articles: std::ops::RangeInclusive<i64>) -> BTreeSet<(i64, i64)> {
        let mut redis = self.redis().await;
        let mut found = BTreeSet::new();
        let mut counts = BTreeMap::new();
        for id in articles {
            let article = ArticleId::try_from(id).unwrap();
            let members = keys::members(article);
            let sets: Option<i64> =
                redis::cmd("GET").arg(format!("{members}:n")).query_async(&mut redis).await.unwrap();
            let mut ask = redis::pipe();
            ask.smembers(&members);
            for set in 1..sets.unwrap_or(1) {
                ask.smembers(format!("{members}:{set}"));
            }
            let users: Vec<Vec<i64>> = ask.query_async(&mut redis).await.unwrap();
            let users = users.concat();
            let count: Option<usize> =
                redis::cmd("GET").arg(keys::likes(article)).query_async(&mut redis).await.unwrap();
            counts.insert(id, (count.unwrap_or(0), users.len()));
            found.extend(users.into_iter().map(|user| (user, id)));
        }
        assert!(counts.values().all(|(count, users)| count == users), "{counts:?}");
        found
    }
}

impl Liker {
    /// The script's answer: `OK`, or why not.
    pub(crate) async fn like(&mut self, user: i64, article: i64, on: bool, ip_hash: &str) -> String {
        let (user, article) = (UserId::try_from(user).unwrap(), ArticleId::try_from(article).unwrap());
        let partition = Partition::of(article);
        let keys = [
            keys::warm(partition),
            keys::barred(partition),
            keys::outbox(partition),
            keys::limit(article, "like", Subject::User(user)),
            keys::limit(article, "like", Subject::Address(ip_hash)),
            keys::likes(article),
            keys::members(article),
            keys::held(partition),
        ];
        let mut eval = redis::cmd("EVAL");
        eval.arg(scripts::LIKE.source).arg(keys.len()).arg(&keys).arg(&self.server).arg("");
        eval.arg(user.get()).arg(article.get()).arg(u8::from(on)).arg(1_000_000);
        eval.arg(1_000_000).arg(1).arg(1_000_000).arg(1).arg("request").arg(ip_hash);
        let answer: Vec<String> = eval.query_async(&mut self.redis).await.unwrap();
        answer[0].clone()
    }

    /// That, where it must be done.
    pub(crate) async fn liked(&mut self, user: i64, article: i64, on: bool) {
        assert_eq!(self.like(user, article, on, "0af7").await, "OK");
    }

    /// A script on article 42: `keys` come after marker, outbox and holds, `arguments` after the server's name.
    pub(crate) async fn run(&mut self, script: Script, keys: &[String], arguments: &[&str]) -> Vec<String> {
        let partition = Partition::of(ArticleId::try_from(42).unwrap());
        let first = [keys::warm(partition), keys::outbox(partition), keys::held(partition)];
        let mut eval = redis::cmd("EVAL");
        eval.arg(script.source).arg(first.len() + keys.len()).arg(&first).arg(keys).arg(&self.server).arg(arguments);
        eval.query_async(&mut self.redis).await.unwrap()
    }
}
