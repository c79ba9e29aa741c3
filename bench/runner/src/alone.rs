//! Redis alone, with the likes that are put into it by the service's own script.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use contract::{
    ArticleId, ArticleNumber, Kind, Partition, UserId, keys,
    scripts::{At, Call as _, Limit, Toggle, send},
};

use stack::Redis;

use crate::world::{info, server_name};

const CALLS_AT_ONCE: usize = 1000;
const EXPIRY: Duration = Duration::from_mins(1);
const IP_HASH: &str = "0af7651916cd43dd8448eb211c80319c";
/// More than anything here reaches. No byte of it is zero, for redis-benchmark gets it as an argument.
const PLENTY: i64 = 0x0101_0101;
/// A limit that holds nobody back.
const WIDE: Limit = Limit { burst: PLENTY, interval_us: 1 };

/// A Redis of its own, with fsync before each answer, that serves every partition.
pub(crate) struct Alone {
    pub(crate) server: Redis,
    pub(crate) connection: tests::Redis,
    name: String,
    _folder: tempfile::TempDir,
}

impl Alone {
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = Redis::start_in(folder.path()).await?;
        let mut connection = tests::redis(&server.url()).await?;
        let name = server_name(&mut connection).await?;
        let mut alone = Self { server, connection, name, _folder: folder };
        alone.warm().await?;
        Ok(alone)
    }

    /// Declares every partition whole, as the persister does.
    pub(crate) async fn warm(&mut self) -> Result<()> {
        let mut warm = redis::pipe();
        for partition in Partition::all() {
            warm.hset(keys::warm(partition), "run_id", &self.name).ignore();
        }
        warm.cmd("SCRIPT").arg("LOAD").arg(Toggle::SCRIPT.source).ignore();
        Ok(warm.exec_async(&mut self.connection).await?)
    }

    /// Bytes in use, once what passes by itself has gone: the frequency limits' keys expire.
    pub(crate) async fn settled_memory(&mut self) -> Result<f64> {
        stack::wait_for("the limits to expire", EXPIRY, async || {
            let limits: Vec<String> = redis::cmd("KEYS").arg("*:limit:*").query_async(&mut self.connection).await?;
            Ok(limits.is_empty().then_some(()))
        })
        .await?;
        info(&mut self.connection, "memory", "used_memory").await
    }

    /// The arguments of EVALSHA for a like, or an unlike, without a deadline.
    pub(crate) fn like(&self, user: UserId, article: ArticleId, on: bool) -> Vec<Vec<u8>> {
        let toggle = Toggle {
            kind: Kind::Like,
            user,
            article,
            on,
            outbox_max: PLENTY.unsigned_abs(),
            limits: [WIDE; 2],
            request_id: IP_HASH,
            ip_hash: IP_HASH,
        };
        send(&toggle, At { server: &self.name, deadline_ms: None }, false).collect()
    }

    /// Sends likes or unlikes in pipelines; every one must change something. The outbox is emptied on the way.
    pub(crate) async fn send(
        &mut self,
        likes: impl IntoIterator<Item = (UserId, ArticleId)>,
        on: bool,
        mut done: impl FnMut(u64),
    ) -> Result<()> {
        let mut likes = likes.into_iter().peekable();
        while likes.peek().is_some() {
            let some: Vec<_> = likes.by_ref().take(CALLS_AT_ONCE).collect();
            let mut calls = redis::pipe();
            for (user, article) in &some {
                calls.cmd("EVALSHA").arg(self.like(user.clone(), article.clone(), on));
            }
            let answers: Vec<(String, i64, i64, i64, i64)> = calls.query_async(&mut self.connection).await?;
            let odd = answers.iter().find(|answer| (answer.0.as_str(), answer.1) != ("OK", 1));
            ensure!(odd.is_none(), "a like changed nothing: {odd:?}");
            self.empty_outboxes(some.iter().map(|(_, article)| article.number())).await?;
            done(some.len() as u64);
        }
        Ok(())
    }

    async fn empty_outboxes(&mut self, articles: impl Iterator<Item = ArticleNumber>) -> Result<()> {
        let partitions: BTreeSet<Partition> = articles.map(Partition::of).collect();
        let mut trim = redis::pipe();
        for partition in partitions {
            trim.cmd("XTRIM").arg(keys::outbox(partition)).arg("MAXLEN").arg(0).ignore();
        }
        Ok(trim.exec_async(&mut self.connection).await?)
    }
}
