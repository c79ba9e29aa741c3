//! Every Lua script on a real Redis: every answer it can give, and what it leaves behind.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use contract::{ArticleId, Change, OutboxEntry, Partition, keys, keys::Subject, scripts, scripts::Script};
use redis::{AsyncCommands, Value, aio::MultiplexedConnection, streams::StreamRangeReply};
use stack::Redis;
use tempfile::TempDir;
use tests::{id, likers};

/// Wide enough to never be reached.
const WIDE: [&str; 2] = ["1000000", "1"];
const NO_END: &str = "";

struct Server {
    _folder: TempDir,
    _redis: Redis,
    connection: MultiplexedConnection,
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

#[tokio::test]
async fn a_like_changes_status_count_and_outbox_together_and_once() -> Result<()> {
    let mut server = Server::warm().await?;
    assert_eq!(server.like(7, true, |_| ()).await?[..3], ["OK", "1", "1"]);
    assert_eq!(server.like(7, true, |_| ()).await?[..3], ["OK", "0", "1"]);
    assert_eq!(server.like(8, true, |_| ()).await?[..3], ["OK", "1", "2"]);
    assert_eq!(server.like(7, false, |_| ()).await?[..3], ["OK", "1", "1"]);
    assert_eq!(server.like(7, false, |_| ()).await?[..3], ["OK", "0", "1"]);
    assert_eq!(likers(&mut server.connection, article()).await?.into_iter().collect::<Vec<_>>(), [8]);

    let entries = server.outbox().await?;
    let events = entries.iter().map(OutboxEntry::to_event).collect::<Result<Vec<_>, _>>()?;
    let told: Vec<_> = events.iter().map(|event| (event.user.map(contract::UserId::get), event.change)).collect();
    assert_eq!(told, [(Some(7), Change::Like(true)), (Some(8), Change::Like(true)), (Some(7), Change::Like(false))]);
    assert!(events.is_sorted_by_key(|event| event.version));
    assert!(events.iter().all(|event| event.request_id == "request" && event.ip_hash == "0af7"));
    Ok(())
}

#[tokio::test]
async fn a_refused_like_changes_nothing_and_says_why() -> Result<()> {
    let mut server = Server::warm().await?;
    let () = server.connection.sadd(keys::barred(partition()), 9).await?;
    assert_eq!(server.like(7, true, |args| args[0] = "another server".to_owned()).await?, ["COLD"]);
    assert_eq!(server.like(7, true, |args| args[1] = "1".to_owned()).await?, ["LATE"]);
    // Longer than any caller waits: from before the clock was set back.
    let (seconds, _micros): (i64, i64) = redis::cmd("TIME").query_async(&mut server.connection).await?;
    assert_eq!(server.like(7, true, |args| args[1] = format!("{}000", seconds + 60)).await?, ["LATE"]);
    assert_eq!(server.like(9, true, |_| ()).await?, ["BARRED"]);
    assert_eq!(server.like(7, true, |args| args[5] = "0".to_owned()).await?, ["FULL"]);
    assert!(server.outbox().await?.is_empty());
    assert!(likers(&mut server.connection, article()).await?.is_empty());
    assert!(!server.connection.exists::<_, bool>(keys::likes(article())).await?);

    // A burst of two, then one an hour; first the user's limit, then the address's.
    for (first, which) in [(6, "1"), (8, "2")] {
        let user = 100 + i64::try_from(first)?;
        let narrow = |args: &mut Vec<String>| {
            args[first] = "2".to_owned();
            args[first + 1] = "3600000000".to_owned();
        };
        let () = server.connection.del(keys::limit(article(), "like", Subject::Address("0af7"))).await?;
        assert_eq!(server.like(user, true, narrow).await?[0], "OK");
        assert_eq!(server.like(user, false, narrow).await?[0], "OK");
        let refused = server.like(user, true, narrow).await?;
        assert_eq!((refused[0].as_str(), refused[2].as_str()), ("LIMITED", which));
        let wait_ms: u64 = refused[1].parse()?;
        assert!((3_500_000..=3_600_000).contains(&wait_ms), "{wait_ms} ms");
        assert!(!likers(&mut server.connection, article()).await?.contains(&user));
    }
    Ok(())
}

/// Ids as they come: small, snowflake-like with equal low bits, and up to the greatest.
#[tokio::test]
async fn many_likes_spread_over_small_sets_and_are_all_found() -> Result<()> {
    let mut server = Server::warm().await?;
    let users: Vec<i64> =
        (1..=2_000).chain((1..=2_000).map(|n| n << 22)).chain((0..2_000).map(|n| i64::MAX - n * 4096)).collect();
    for user in &users {
        assert_eq!(server.like(*user, true, |_| ()).await?[1], "1", "{user}");
    }
    let members = keys::members(article());
    let sets: i64 = server.connection.get(format!("{members}:n")).await?;
    let mut sizes = BTreeMap::new();
    for set in 0..sets {
        let key = if set == 0 { members.clone() } else { format!("{members}:{set}") };
        let size: i64 = server.connection.scard(&key).await?;
        let encoding: String =
            redis::cmd("OBJECT").arg("ENCODING").arg(&key).query_async(&mut server.connection).await?;
        assert_eq!(encoding, "intset", "set {set} of {size}");
        sizes.insert(set, size);
    }
    assert_eq!(sizes.values().sum::<i64>(), i64::try_from(users.len())?);
    let most = sizes.values().max();
    assert!(most < Some(&512) && sizes.len() > 20, "{sizes:?}");
    for user in &users {
        assert_eq!(server.like(*user, true, |_| ()).await?[1], "0", "{user} is known");
        assert_eq!(server.like(*user, false, |_| ()).await?[1], "1", "{user} takes it back");
    }
    assert_eq!(server.connection.get::<_, i64>(keys::likes(article())).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_view_counts_page_views_and_visitors() -> Result<()> {
    let mut server = Server::warm().await?;
    let mut view = async |visitor: &str, run_id: Option<&str>, deadline: &str, burst: &str| {
        let keys = [
            keys::warm(partition()),
            keys::limit(article(), "view", Subject::Visitor(visitor)),
            keys::limit(article(), "view", Subject::Address("0af7")),
            keys::pv(article()),
            keys::uv(article()),
            keys::changed(partition()),
        ];
        let known = server.run_id.clone();
        let args = [run_id.unwrap_or(&known), deadline, visitor, "42", burst, "3600000000", WIDE[0], WIDE[1]];
        server.call(scripts::VIEW, &keys, &args).await
    };
    assert_eq!(view("a", None, NO_END, "10").await?[..3], ["OK", "1", "1"]);
    assert_eq!(view("a", None, NO_END, "10").await?[..3], ["OK", "2", "1"]);
    let third = view("b", None, NO_END, "10").await?;
    assert_eq!(third[..3], ["OK", "3", "2"]);
    assert_eq!(third[4..6], ["1", "9"], "the epoch, and what is left of the visitor's limit");
    assert_eq!(view("a", Some("another"), NO_END, "10").await?, ["COLD"]);
    assert_eq!(view("a", None, "1", "10").await?, ["LATE"]);
    assert_eq!(view("c", None, NO_END, "1").await?[..2], ["OK", "4"]);
    assert_eq!(view("c", None, NO_END, "1").await?[0], "LIMITED");
    let changed: Vec<i64> = server.connection.smembers(keys::changed(partition())).await?;
    assert_eq!(changed, [ARTICLE]);
    Ok(())
}

#[tokio::test]
async fn a_read_counts_once_and_not_before_its_time() -> Result<()> {
    let mut server = Server::warm().await?;
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut server.connection).await?;
    let now = seconds * 1000 + micros / 1000;
    let mut read = async |token: &str, change: &dyn Fn(&mut Vec<String>)| {
        let keys = [
            keys::warm(partition()),
            keys::outbox(partition()),
            keys::limit(article(), "read", Subject::Address("0af7")),
            keys::reads(article()),
            keys::used_token(article(), token),
            keys::changed(partition()),
        ];
        let viewed = (now - 6_000).to_string();
        let mut args: Vec<String> = [
            server.run_id.as_str(),
            NO_END,
            "7",
            "42",
            "1000000",
            "1",
            &viewed,
            "5000",
            "86400000",
            "100",
            "3600000000",
            "r",
            "h",
        ]
        .map(str::to_owned)
        .to_vec();
        change(&mut args);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        server.call(scripts::READ, &keys, &args).await
    };
    assert_eq!(read("t1", &|_| ()).await?, ["OK", "1", "1"]);
    assert_eq!(read("t1", &|_| ()).await?, ["OK", "0", "1"], "a token counts once");
    assert_eq!(read("t2", &|args| args[2] = String::new()).await?, ["OK", "1", "2"]);
    let early = read("t3", &|args| args[6] = now.to_string()).await?;
    assert_eq!(early[0], "EARLY");
    assert!((1..=5000).contains(&early[1].parse::<i64>()?), "{early:?}");
    assert_eq!(read("t3", &|args| args[6] = (now - 86_500_000).to_string()).await?, ["EXPIRED"]);
    assert_eq!(read("t3", &|args| args[5] = "0".to_owned()).await?, ["EXPIRED"], "a token of another epoch");
    assert_eq!(read("t3", &|args| args[0] = "another".to_owned()).await?, ["COLD"]);
    assert_eq!(read("t3", &|args| args[1] = "1".to_owned()).await?, ["LATE"]);
    assert_eq!(read("t3", &|args| args[4] = "2".to_owned()).await?, ["FULL"]);
    assert_eq!(read("t3", &|args| args[9] = "2".to_owned()).await?[0], "LIMITED");

    let entries = server.outbox().await?;
    let events = entries.iter().map(OutboxEntry::to_event).collect::<Result<Vec<_>, _>>()?;
    let told: Vec<_> = events.iter().map(|event| (event.user.map(contract::UserId::get), event.change)).collect();
    assert_eq!(told, [(Some(7), Change::Read(1)), (None, Change::Read(2))]);
    Ok(())
}

#[tokio::test]
async fn a_limit_lets_a_burst_pass_and_then_one_at_a_time() -> Result<()> {
    let mut server = Server::warm().await?;
    let keys = [
        keys::warm(partition()),
        keys::limit(article(), "collect", Subject::User(id(7))),
        keys::limit(article(), "collect", Subject::Address("h")),
    ];
    let run_id = server.run_id.clone();
    let mut take = async |run_id: &str, deadline: &str| {
        server.call(scripts::LIMIT, &keys, &[run_id, deadline, "2", "3600000000", WIDE[0], WIDE[1]]).await
    };
    assert_eq!(take("another", NO_END).await?, ["COLD"]);
    assert_eq!(take(&run_id, "1").await?, ["LATE"]);
    assert_eq!(take(&run_id, NO_END).await?[..2], ["OK", "1"]);
    assert_eq!(take(&run_id, NO_END).await?[..2], ["OK", "0"]);
    let refused = take(&run_id, NO_END).await?;
    assert_eq!((refused[0].as_str(), refused[2].as_str()), ("LIMITED", "1"));
    Ok(())
}

#[tokio::test]
async fn a_query_answers_for_every_article_of_its_partition() -> Result<()> {
    let mut server = Server::warm().await?;
    server.like(7, true, |_| ()).await?;
    server.like(8, true, |_| ()).await?;
    let other: ArticleId =
        (43..9999).map(id).find(|other| Partition::of(*other) == partition()).expect("there are many");
    let of = |article| [keys::likes, keys::pv, keys::uv, keys::reads, keys::members].map(|key| key(article));
    let keys: Vec<String> = [keys::warm(partition())].into_iter().chain(of(article())).chain(of(other)).collect();
    let run_id = server.run_id.clone();
    let one = server.call(scripts::QUERY, &keys, &[&run_id, "7"]).await?;
    assert_eq!(one, ["OK", "2", "0", "0", "0", "1", "0", "0", "0", "0", "0"]);
    let nobody = server.call(scripts::QUERY, &keys, &[&run_id, ""]).await?;
    assert_eq!((nobody[5].as_str(), nobody[10].as_str()), ("-1", "-1"));
    assert_eq!(server.call(scripts::QUERY, &keys, &["another", "7"]).await?, ["COLD"]);
    Ok(())
}

#[tokio::test]
async fn confirmed_entries_leave_the_outbox_by_their_ids() -> Result<()> {
    let mut server = Server::warm().await?;
    for user in 1..=3 {
        server.like(user, true, |_| ()).await?;
    }
    let ids: Vec<String> = server.outbox().await?.iter().map(|entry| entry.id.to_string()).collect();
    let outbox = [keys::outbox(partition())];
    assert_eq!(server.call(scripts::ACK, &outbox, &["relay", &ids[0], &ids[2]]).await?, ["2"]);
    assert_eq!(server.call(scripts::ACK, &outbox, &["relay", &ids[0]]).await?, ["0"]);
    let left: Vec<String> = server.outbox().await?.iter().map(|entry| entry.id.to_string()).collect();
    assert_eq!(left, [ids[1].clone()]);
    Ok(())
}

#[tokio::test]
async fn a_fenced_partition_is_rebuilt_and_served_in_a_new_epoch() -> Result<()> {
    let mut server = Server::warm().await?;
    let (warm, outbox) = (keys::warm(partition()), keys::outbox(partition()));
    let run_id = server.run_id.clone();
    let state = server.call(scripts::PARTITION_STATE, &[warm.clone(), outbox.clone()], &[]).await?;
    assert_eq!(state, [run_id.as_str(), "1", "0-1", "0", "", ""]);

    assert_eq!(server.call(scripts::FENCE, std::slice::from_ref(&warm), &["rebuild"]).await?, ["OK"]);
    let state = server.call(scripts::PARTITION_STATE, &[warm.clone(), outbox.clone()], &[]).await?;
    assert_eq!(state, ["", "1", "0-1", "0", "", "rebuild"]);
    assert_eq!(server.like(7, true, |_| ()).await?, ["COLD"]);
    assert_eq!(server.like(7, true, |args| args[0] = String::new()).await?, ["COLD"], "an empty run id is nobody's");

    let likes = [warm.clone(), keys::likes(article()), keys::members(article())];
    let counters = [warm.clone(), keys::pv(article()), keys::uv(article()), keys::reads(article())];
    assert_eq!(server.call(scripts::RESTORE_LIKES, &likes, &["another", "1", "7"]).await?, ["STALE"]);
    assert_eq!(server.call(scripts::RESTORE_STATS, &counters, &["another", "1", "", "1"]).await?, ["STALE"]);
    let users: Vec<String> = (1..=5_000).map(|user: i64| (user << 20).to_string()).collect();
    for some in users.chunks(1_000) {
        let args: Vec<&str> = ["rebuild", "5000"].into_iter().chain(some.iter().map(String::as_str)).collect();
        assert_eq!(server.call(scripts::RESTORE_LIKES, &likes, &args).await?, ["OK"]);
    }
    assert_eq!(server.call(scripts::RESTORE_STATS, &counters, &["rebuild", "12", "", "3"]).await?, ["OK"]);

    let done = [warm.clone(), outbox.clone()];
    assert_eq!(server.call(scripts::WARM, &done, &[&run_id, "2", "5-0", "", "relay"]).await?, ["STALE"]);
    assert_eq!(
        server.call(scripts::WARM, &done, &[&run_id, "2", "9999999999999-7", "rebuild", "relay"]).await?,
        ["OK"]
    );
    let state = server.call(scripts::PARTITION_STATE, &done, &[]).await?;
    assert_eq!(state, [run_id.as_str(), "2", "9999999999999-7", "0", "", ""]);
    assert_eq!(likers(&mut server.connection, article()).await?.len(), 5_000);
    assert_eq!(server.like(1 << 20, true, |_| ()).await?[..3], ["OK", "0", "5000"]);
    assert_eq!(server.like(7, true, |_| ()).await?[..3], ["OK", "1", "5001"]);
    let first = server.outbox().await?[0].id;
    assert!(first > "9999999999999-7".parse()?, "versions go on above all known ones");
    let state = server.call(scripts::PARTITION_STATE, &done, &[]).await?;
    assert_eq!(state[3..], ["1", &first.to_string(), ""], "its only entry is its oldest");
    Ok(())
}

#[tokio::test]
async fn a_snapshot_that_is_cut_short_begins_again_with_what_it_held() -> Result<()> {
    let mut server = Server::warm().await?;
    let taken = [keys::warm(partition()), keys::changed(partition()), keys::saving(partition())];
    let run_id = server.run_id.clone();
    assert_eq!(server.call(scripts::SNAPSHOT_TAKE, &taken, &[&run_id, "10"]).await?, ["OK"]);
    let () = server.connection.sadd(keys::changed(partition()), ARTICLE).await?;
    let () = server.connection.set(keys::pv(article()), 5).await?;
    let () = server.connection.pfadd(keys::uv(article()), "a").await?;
    assert_eq!(server.call(scripts::SNAPSHOT_TAKE, &taken, &["another", "10"]).await?, ["COLD"]);
    assert_eq!(server.call(scripts::SNAPSHOT_TAKE, &taken, &[&run_id, "10"]).await?, ["OK", "42"]);
    assert_eq!(server.call(scripts::SNAPSHOT_TAKE, &taken, &[&run_id, "10"]).await?, ["OK", "42"]);

    let read = [keys::warm(partition()), keys::pv(article()), keys::uv(article()), keys::reads(article())];
    assert_eq!(server.call(scripts::SNAPSHOT_READ, &read, &["another"]).await?, ["COLD"]);
    let counters = server.call(scripts::SNAPSHOT_READ, &read, &[&run_id]).await?;
    assert_eq!((&counters[..3], counters[4].as_str()), (&["OK", "5", "1"].map(str::to_owned)[..], "0"));
    assert!(counters[3].starts_with("HYLL"), "the sketch as Redis stores it");
    assert_eq!(server.call(scripts::SNAPSHOT_DONE, &[keys::saving(partition())], &["42"]).await?, ["1"]);
    assert_eq!(server.call(scripts::SNAPSHOT_TAKE, &taken, &[&run_id, "10"]).await?, ["OK"]);
    Ok(())
}
