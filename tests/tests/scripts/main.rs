//! Every Lua script on a real Redis, through its typed call: every answer that it can give, and the data that it leaves.

mod delete_article;
mod heads;
mod import;
mod jwks;
mod keep;
mod project;
mod rebuild;
mod requests;
mod revoke;
mod rights;
mod snapshot;
mod toggle;

use std::collections::BTreeSet;

use anyhow::Result;
use contract::{
    ArticleNumber, Event, Kind, OutboxEntry, Pair, Partition, Truth, UserNumber, keys,
    scripts::{self, At, Call, Entry, Fence, Hold, Limit, Project, Rebuilt, Refusal, Toggle, Toggled, Warm},
};
use redis::{AsyncCommands, streams::StreamRangeReply};
use stack::Redis;
use tempfile::TempDir;
use tests::{id, members};

/// A limit that no test reaches.
const WIDE: Limit = Limit { burst: 1_000_000, interval_us: 1 };
/// A limit of two at once, then one an hour.
const NARROW: Limit = Limit { burst: 2, interval_us: 3_600_000_000 };
/// The partition is warm in this epoch on this server, and no projector has written to it.
const SERVER: &str = "a server";
const EPOCH: u64 = 1;
const TOKEN: u64 = 7;
/// With more users of one article than this, a set is split (`lua/include/members.lua`).
const PER_SET: i64 = 192;

struct Server {
    folder: TempDir,
    redis: Redis,
    connection: tests::Redis,
}

fn article() -> ArticleNumber {
    id(42)
}

/// An id as a site writes it.
fn written<T: std::str::FromStr<Err: std::fmt::Debug>>(number: i64) -> T {
    number.to_string().parse().expect("an id")
}

fn partition() -> Partition {
    Partition::of(article())
}

/// Another article of the same partition.
fn other_article() -> ArticleNumber {
    (43..9999).map(id).find(|other| Partition::of(*other) == partition()).expect("there are many")
}

/// Pairs of kinds. Switching the first on switches the second off.
fn exclusions() -> impl Iterator<Item = (Kind, Kind)> {
    Kind::ALL.iter().flat_map(|kind| kind.excludes().iter().map(|other| (*kind, *other)))
}

fn toggle(kind: Kind, user: i64, on: bool) -> Toggle<'static> {
    Toggle {
        kind,
        user: written(user),
        article: written(42),
        on,
        outbox_max: 1_000_000,
        limits: [WIDE; 2],
        request_id: "request",
        ip_hash: "0af7",
    }
}

fn pair(kind: Kind, user: i64) -> Pair {
    (article(), kind, id(user))
}

fn hold(pairs: &[Pair], lasts_ms: u64) -> Hold<'_> {
    Hold { partition: partition(), pairs, lasts_ms }
}

fn entry(kind: Kind, user: i64, on: bool) -> Entry {
    Entry { kind, user: id(user), article: article(), on }
}

fn project(entries: &[Entry]) -> Project<'_> {
    Project { partition: partition(), token: TOKEN, entries }
}

impl Server {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let redis = Redis::start_in(folder.path()).await?;
        let connection = tests::redis(&redis.url()).await?;
        Ok(Self { folder, redis, connection })
    }

    /// A server whose partition was rebuilt from nothing.
    async fn warm() -> Result<Self> {
        let mut server = Self::start().await?;
        let rebuilt = Rebuilt { rebuild: "first", above: "0-1".parse()?, token: TOKEN, writes: 0 };
        let warm = Warm { partition: partition(), epoch: EPOCH, group: "relay", rebuilt };
        let fence = Fence { partition: partition(), rebuild: "first" };
        assert_eq!(server.call(&fence).await?, Ok(()));
        assert_eq!(server.call(&warm).await?, Ok(()));
        Ok(server)
    }

    async fn call<C: Call>(&mut self, call: &C) -> Result<Result<C::Answer, Refusal>> {
        tests::call(&mut self.connection, call, At { server: SERVER, deadline_ms: None }).await
    }

    /// Calls as a caller that believes to be connected to another server.
    async fn mistaken<C: Call>(&mut self, call: &C) -> Result<Result<C::Answer, Refusal>> {
        tests::call(&mut self.connection, call, At { server: "another", deadline_ms: None }).await
    }

    /// Calls with a deadline that many ms from now.
    async fn within<C: Call>(&mut self, ms: i64, call: &C) -> Result<Result<C::Answer, Refusal>> {
        let at = At { server: SERVER, deadline_ms: Some(self.now_ms().await? + ms) };
        tests::call(&mut self.connection, call, at).await
    }

    async fn now_ms(&mut self) -> Result<i64> {
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut self.connection).await?;
        Ok(seconds * 1000 + micros / 1000)
    }

    /// Switches a kind on or off. Returns whether that changed anything, and the count.
    async fn toggled(&mut self, kind: Kind, user: i64, on: bool) -> Result<(bool, i64)> {
        let Toggled { changed, count, .. } = self.call(&toggle(kind, user, on)).await??;
        Ok((changed, count))
    }

    /// Switches a kind on for users, by the script of its truth.
    async fn fill(&mut self, kind: Kind, users: impl IntoIterator<Item = i64>) -> Result<()> {
        for user in users {
            match kind.truth() {
                Truth::Redis => _ = self.toggled(kind, user, true).await?,
                Truth::Mysql => _ = self.call(&project(&[entry(kind, user, true)])).await??,
            }
        }
        Ok(())
    }

    async fn members(&mut self, kind: Kind) -> Result<BTreeSet<i64>> {
        members(&mut self.connection, kind, article()).await
    }

    /// The count in Redis. `None` if there is no key.
    async fn count(&mut self, kind: Kind) -> Result<Option<i64>> {
        Ok(self.connection.get(keys::count(kind, article())).await?)
    }

    /// The names of all keys of a kind and the article.
    async fn keys_of(&mut self, kind: Kind) -> Result<Vec<String>> {
        let all: Vec<String> = self.connection.keys(keys::any_of(kind)).await?;
        Ok(all.into_iter().filter(|key| keys::kind_and_article(key) == Some((kind, article()))).collect())
    }

    async fn outbox(&mut self) -> Result<Vec<OutboxEntry>> {
        let reply: StreamRangeReply = self.connection.xrange_all(keys::outbox(partition())).await?;
        let entry = |entry: redis::streams::StreamId| {
            let field = |name: &str| Some((name.to_owned(), entry.get(name)?));
            let fields = entry.map.keys().filter_map(|name| field(name)).collect();
            Ok(OutboxEntry::of_stream(entry.id.parse()?, fields))
        };
        reply.ids.into_iter().map(entry).collect()
    }

    async fn events(&mut self) -> Result<Vec<Event>> {
        Ok(self.outbox().await?.iter().map(OutboxEntry::to_event).collect::<Result<_, _>>()?)
    }
}

fn users(numbers: impl IntoIterator<Item = i64>) -> Vec<UserNumber> {
    numbers.into_iter().map(id).collect()
}

#[tokio::test]
async fn a_digest_is_the_one_that_redis_computes() -> Result<()> {
    let mut server = Server::start().await?;
    for script in scripts::ALL {
        let sha: String =
            redis::cmd("SCRIPT").arg("LOAD").arg(script.source).query_async(&mut server.connection).await?;
        assert_eq!(sha, script.sha, "{}", script.name);
    }
    Ok(())
}
