//! Every Lua script on a real Redis: every answer it can give, and what it leaves behind.

mod likes;
mod requests;
mod upkeep;

use std::collections::HashMap;

use anyhow::Result;
use contract::{ArticleId, OutboxEntry, Partition, keys, keys::Subject, scripts, scripts::Script};
use redis::{AsyncCommands, Value, streams::StreamRangeReply};
use stack::Redis;
use tempfile::TempDir;
use tests::id;

/// Wide enough to never be reached.
const WIDE: [&str; 2] = ["1000000", "1"];
const NO_END: &str = "";

struct Server {
    _folder: TempDir,
    _redis: Redis,
    connection: tests::Redis,
    run_id: String,
}

/// An article with its partition warm in epoch 1.
const ARTICLE: i64 = 42;

fn article() -> ArticleId {
    id(ARTICLE)
}

fn partition() -> Partition {
    Partition::of(article())
}

/// An answer as its parts, in text.
fn flat(value: &Value) -> Vec<String> {
    match value {
        Value::Array(parts) => parts.iter().flat_map(flat).collect(),
        Value::Int(number) => vec![number.to_string()],
        Value::BulkString(bytes) => vec![String::from_utf8_lossy(bytes).into_owned()],
        other => vec![format!("{other:?}")],
    }
}

impl Server {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let redis = Redis::start_in(folder.path()).await?;
        let mut connection = tests::redis(&redis.url()).await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        let run_id =
            info.lines().find_map(|line| line.strip_prefix("run_id:")).expect("INFO names it").trim().to_owned();
        Ok(Self { _folder: folder, _redis: redis, connection, run_id })
    }

    async fn warm() -> Result<Self> {
        let mut server = Self::start().await?;
        let warm = [keys::warm(partition()), keys::outbox(partition())];
        let run_id = server.run_id.clone();
        let declare = [run_id.as_str(), "1", "0-0", "", "relay"];
        assert_eq!(server.call(scripts::WARM, &warm, &declare).await?, ["STALE"], "an empty partition is not whole");
        assert_eq!(server.call(scripts::FENCE, &warm[..1], &["first"]).await?, ["OK"]);
        assert_eq!(server.call(scripts::WARM, &warm, &[&run_id, "1", "0-1", "first", "relay"]).await?, ["OK"]);
        Ok(server)
    }

    async fn call(&mut self, script: Script, keys: &[String], args: &[&str]) -> Result<Vec<String>> {
        let value: Value = redis::cmd("EVAL")
            .arg(script.source)
            .arg(keys.len())
            .arg(keys)
            .arg(args)
            .query_async(&mut self.connection)
            .await?;
        Ok(flat(&value))
    }

    async fn like(&mut self, user: i64, on: bool, change: impl FnOnce(&mut Vec<String>)) -> Result<Vec<String>> {
        let hash = "0af7";
        let keys = [
            keys::warm(partition()),
            keys::barred(partition()),
            keys::outbox(partition()),
            keys::limit(article(), "like", Subject::User(id(user))),
            keys::limit(article(), "like", Subject::Address(hash)),
            keys::likes(article()),
            keys::members(article()),
            keys::held(partition()),
        ];
        let (user, article) = (user.to_string(), ARTICLE.to_string());
        let mut args: Vec<String> = [
            self.run_id.as_str(),
            NO_END,
            &user,
            &article,
            if on { "1" } else { "0" },
            "1000000",
            WIDE[0],
            WIDE[1],
            WIDE[0],
            WIDE[1],
            "request",
            hash,
        ]
        .map(str::to_owned)
        .to_vec();
        change(&mut args);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.call(scripts::LIKE, &keys, &args).await
    }

    async fn outbox(&mut self) -> Result<Vec<OutboxEntry>> {
        let reply: StreamRangeReply = self.connection.xrange_all(keys::outbox(partition())).await?;
        let entry = |entry: redis::streams::StreamId| {
            let text = |value: &Value| flat(value).concat();
            let fields: HashMap<_, _> = entry.map.iter().map(|(name, value)| (name.clone(), text(value))).collect();
            Ok(OutboxEntry { id: entry.id.parse()?, fields })
        };
        reply.ids.into_iter().map(entry).collect()
    }
}

#[test]
fn a_digest_is_the_one_that_redis_computes() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let mut server = Server::start().await?;
        for script in scripts::ALL {
            let sha: String =
                redis::cmd("SCRIPT").arg("LOAD").arg(script.source).query_async(&mut server.connection).await?;
            assert_eq!(sha, script.sha, "{}", script.name);
        }
        Ok(())
    })
}
