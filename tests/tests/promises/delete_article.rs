//! An article that the site deletes goes, and does not come back.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    ArticleId, ArticleNumber, Event, Kind, Partition, Truth,
    keys::{self, Subject},
    scripts::{Limit, Read, Used, View},
};
use rdkafka::Message as _;
use sqlx::{AssertSqlSafe, query_as, query_scalar};
use stack::wait_for;

use crate::{
    caller::Caller,
    tables::On,
    world::{LIMIT, World, any_of, place_of, record},
};

const NO_LIMIT: Limit = Limit { burst: 1_000_000, interval_us: 1 };
const DAY_MS: i64 = 24 * 3_600_000;

impl Caller {
    /// Views an article.
    pub(crate) async fn view(&mut self, article: &str, visitor: &str) -> (i64, Used) {
        let (article, limits) = (article.parse().unwrap(), [NO_LIMIT; 2]);
        let view = View { article, visitor: Subject::Visitor(visitor), ip_hash: "0af7", limits };
        let viewed = self.call(&view).await.unwrap();
        let number = rand::random::<i64>() & i64::MAX;
        let (epoch, viewed_ms) = (viewed.epoch, viewed.at_ms);
        (viewed.pv, Used { number, epoch, viewed_ms, after_ms: 0, lifetime_ms: DAY_MS })
    }

    /// Reads what was viewed; the article's reads.
    pub(crate) async fn read(&mut self, article: &str, user: &str, token: Used) -> i64 {
        let (article, user) = (article.parse().unwrap(), user.parse().ok());
        let read =
            Read { article, user, token, outbox_max: 1000, limit: NO_LIMIT, request_id: "request", ip_hash: "0af7" };
        self.call(&read).await.unwrap().reads
    }
}

pub(crate) fn number(article: &str) -> ArticleNumber {
    article.parse::<ArticleId>().unwrap().number()
}

impl World {
    /// All that MySQL has of articles: of this one, or of all others.
    pub(crate) async fn rows_of_article(&self, article: &str, its: bool) -> BTreeSet<String> {
        let (is, number) = (if its { "=" } else { "<>" }, number(article));
        let of_name = "kind = 'article' AND number";
        let mut all = BTreeSet::new();
        for (table, columns, column) in [
            ("interaction", "article_id, kind, user_id, p, status, version_ms, version_seq, updated_at", "article_id"),
            ("interaction_count", "article_id, kind, count", "article_id"),
            (
                "article_stats",
                // `updated_at` is of the last delivery, also of one that changes nothing.
                "article_id, pv, uv, HEX(uv_sketch), read_count, read_version_ms, read_version_seq",
                "article_id",
            ),
            ("user_read", "user_id, article_id, last_read_at, version_ms, version_seq", "article_id"),
            ("outbox", "article_id, id", "article_id"),
            ("ranking", "span, kind, article_id, gained", "article_id"),
            ("name", "number, text", of_name),
        ] {
            let sql = format!("SELECT CONCAT_WS(' ', '{table}', {columns}) FROM {table} WHERE {column} {is} {number}");
            let rows: Vec<String> = query_scalar(AssertSqlSafe(sql)).fetch_all(&self.mysql).await.unwrap();
            all.extend(rows);
        }
        all
    }

    /// All keys of articles in Redis with their values: of this one, or of all others.
    pub(crate) async fn keys_of_article(&self, article: &str, its: bool) -> BTreeMap<String, Vec<u8>> {
        let (mut redis, number) = (self.redis().await, number(article).to_string());
        let names: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
        let mut all = BTreeMap::new();
        for name in names {
            let words: Vec<&str> = name.split(':').collect();
            // {p}:article:<what>:<article> and {p}:user:<kind>:<article>…
            let of_article = ["article", "user"].contains(&words[1]);
            if of_article && (words[3] == number) == its {
                let value = redis::cmd("DUMP").arg(&name).query_async(&mut redis).await.unwrap();
                all.insert(name, value);
            }
        }
        all
    }

    /// Waits until MySQL has the views and reads that Redis has.
    pub(crate) async fn saved(&self) {
        let mut redis = self.redis().await;
        wait_for("the snapshot", LIMIT, async || {
            let mut ask = redis::pipe();
            for partition in Partition::all() {
                ask.cmd("EXISTS").arg(keys::changed(partition)).arg(keys::saving(partition));
            }
            let left: Vec<u64> = ask.query_async(&mut redis).await?;
            Ok((left.iter().sum::<u64>() == 0).then_some(()))
        })
        .await
        .unwrap();
    }

    /// Waits for a ranking of now; what it says that an article has gained of kinds, and in how many others it is.
    async fn ranked(&self, article: &str) -> (Vec<i64>, usize) {
        let now: String = query_scalar("SELECT CAST(UTC_TIMESTAMP(3) AS CHAR)").fetch_one(&self.mysql).await.unwrap();
        wait_for("a ranking of now", LIMIT, async || {
            let known = "SELECT EXISTS (SELECT 1 FROM trends WHERE kind = 0 AND as_of > CAST(? AS DATETIME(3)))";
            Ok(query_scalar::<_, bool>(known).bind(&now).fetch_one(&self.mysql).await?.then_some(()))
        })
        .await
        .unwrap();
        let gained = "SELECT kind, gained FROM ranking WHERE article_id = ?";
        let rows: Vec<(u8, i64)> = query_as(gained).bind(number(article).get()).fetch_all(&self.mysql).await.unwrap();
        let (of_kinds, others): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|(code, _)| Kind::from_code(*code).is_some());
        (of_kinds.into_iter().map(|(_, gained)| gained).collect(), others.len())
    }

    /// Checks that nothing is left of the article.
    pub(crate) async fn assert_gone(&self, article: &str, when: &str) {
        assert_eq!(self.rows_of_article(article, true).await, BTreeSet::new(), "{article}, {when}");
        assert_eq!(self.keys_of_article(article, true).await, BTreeMap::new(), "{article}, {when}");
    }

    /// Checks that both stores say the same of these articles.
    pub(crate) async fn assert_the_same(&self, articles: std::ops::RangeInclusive<i64>) -> On {
        let standing = self.standing().await;
        assert_eq!(self.standing_in_redis(articles).await, standing);
        standing
    }
}

/// Users of their own for each kind.
fn users_of(kind: Kind) -> std::ops::RangeInclusive<i64> {
    let first = 1 + 10 * place_of(kind);
    first..=first + 2
}

/// Switches every kind on for three users each, one of them off again, and has the article viewed and read.
async fn fill(caller: &mut Caller, article: &str) {
    let id: ArticleId = article.parse().unwrap();
    for kind in Kind::ALL.iter().copied() {
        for user in users_of(kind) {
            let user = user.to_string().parse().unwrap();
            assert_eq!(caller.toggle_of(kind, &user, &id, true, "0af7").await, Ok(()));
        }
        let user = users_of(kind).start().to_string().parse().unwrap();
        assert_eq!(caller.toggle_of(kind, &user, &id, false, "0af7").await, Ok(()));
    }
    for user in ["1", "2"] {
        let (_, token) = caller.view(article, user).await;
        caller.read(article, user, token).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_article_is_gone_and_nothing_brings_anything_back() {
    const NAME: &str = "how-to-like";
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    for article in ["42", NAME, "43"] {
        fill(&mut caller, article).await;
    }
    world.settled().await;
    world.saved().await;
    assert_eq!(world.ranked("42").await.0, vec![2; 3 * Kind::ALL.len()]);
    // What is on its way when the articles are deleted.
    persister.kill().await.unwrap();
    for kind in Kind::ALL.iter().copied() {
        caller.toggled(kind, *users_of(kind).start(), 42, true).await;
        caller.toggled(kind, *users_of(kind).end(), 42, false).await;
    }
    caller.view("42", "3").await;
    let others = |all: BTreeSet<String>| -> BTreeSet<String> {
        all.into_iter().filter(|row| !row.contains(&number(NAME).to_string()) && !row.starts_with("ranking")).collect()
    };
    let keys_of_others = world.keys_of_article("42", false).await;
    let keys_of_others: BTreeMap<_, _> =
        keys_of_others.into_iter().filter(|(key, _)| !key.contains(&number(NAME).to_string())).collect();
    let rows_of_others = others(world.rows_of_article("42", false).await);
    assert!(keys_of_others.len() >= 2 * Kind::ALL.len() && rows_of_others.len() > 2 * Kind::ALL.len());

    let printed = world.ask_json(&["delete-article", "--article", "42", "--article", NAME, "--json"]).await;
    let of = |article: &str| printed.iter().find(|one| one["article_id"] == article).unwrap().clone();
    for kind in Kind::ALL.iter().copied() {
        for article in ["42", NAME] {
            assert_eq!(of(article)["deleted"]["on"][kind.name()], 2, "{printed:?}");
            assert_eq!(of(article)["deleted"]["rows"][kind.name()], 3, "{printed:?}");
        }
    }
    let deleted = &of("42")["deleted"];
    let numbers = ["pv", "uv", "reads", "last_reads"].map(|name| deleted[name].as_i64().unwrap());
    assert_eq!(numbers, [3, 3, 2, 2], "{deleted}");
    let remains = of("42")["remains"].to_string();
    assert!(remains.contains(&format!("topic {}\"", world.topic)) && remains.contains("28 days"), "{remains}");

    let gone = async |when: &str| {
        for article in ["42", NAME] {
            world.assert_gone(article, when).await;
        }
        assert_eq!(others(world.rows_of_article("42", false).await), rows_of_others, "{when}");
    };
    gone("at once").await;
    assert_eq!(world.keys_of_article("42", false).await, keys_of_others);

    let _persister = world.start("run");
    world.settled().await;
    world.saved().await;
    gone("what was on its way").await;
    assert_eq!(world.keys_of_article("42", false).await, keys_of_others);
    assert_eq!(world.ranked("42").await, (vec![], 0), "the events are still counted, but not shown");

    // All events again, and one out of the dead-letter queue.
    let log = world.records(&world.topic, 3 * (4 * Kind::ALL.len() + 2)).await;
    let events: Vec<Event> = log.iter().map(|record| Event::from_json(record.payload().unwrap()).unwrap()).collect();
    world.publish(events.iter().map(record)).await;
    let late = events.iter().find(|event| event.article.number() == number("42")).unwrap();
    world.bury(&late.to_json(), &[("reason", "a test")]).await;
    assert_eq!(world.ask(&["dlq", "replay"]).await.0, 0);
    world.settled().await;
    gone("delivered again").await;

    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    world.warm().await;
    gone("rebuilt").await;

    let again = world.ask_json(&["delete-article", "--article", "42", "--json"]).await[0]["deleted"].clone();
    let none = |of: &serde_json::Value| of.as_object().unwrap().values().all(|count| count == 0);
    assert!(none(&again["on"]) && none(&again["rows"]) && again["pv"] == 0 && again["last_reads"] == 0, "{again}");
    gone("again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_an_article_after_its_deletion_counts_from_zero() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    fill(&mut caller, "42").await;
    let (_, old) = caller.view("42", "3").await;
    world.settled().await;
    assert_eq!(world.ranked("42").await.0, vec![2; 3 * Kind::ALL.len()]);
    assert_eq!(world.ask(&["delete-article", "--article", "42"]).await.0, 0);
    world.assert_gone("42", "deleted").await;

    for kind in Kind::ALL.iter().copied() {
        caller.toggled(kind, *users_of(kind).end(), 42, true).await;
    }
    assert_eq!(caller.view("42", "1").await.0, 1);
    assert_eq!(caller.read("42", "3", old).await, 1, "by a view token of before");
    world.settled().await;
    world.saved().await;
    let all: On = Kind::ALL.iter().map(|kind| (*kind, *users_of(*kind).end(), 42)).collect();
    assert_eq!(world.assert_the_same(42..=42).await, all);
    let stats: (i64, i64, i64) =
        sqlx::query_as("SELECT pv, uv, read_count FROM article_stats").fetch_one(&world.mysql).await.unwrap();
    assert_eq!(stats, (1, 1, 1));
    assert_eq!(world.tables().await.user_reads, [], "nobody knows which article was read");
    assert_eq!(world.ranked("42").await.0, vec![1; 3 * Kind::ALL.len()]);
    assert_eq!(world.ask(&["reconcile"]).await.0, 0);

    // Deleted again, it has the same end.
    assert_eq!(world.ask(&["delete-article", "--article", "42"]).await.0, 0);
    world.settled().await;
    world.assert_gone("42", "deleted again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_while_the_articles_partition_is_cold() {
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    fill(&mut caller, "42").await;
    world.settled().await;
    world.saved().await;
    persister.kill().await.unwrap();
    let before = (world.rows_of_article("42", true).await, world.keys_of_article("42", true).await);
    let cold = keys::warm(Partition::of(number("42")));
    redis::cmd("DEL").arg(cold).exec_async(&mut world.redis().await).await.unwrap();
    let refused = world.command(&["delete-article", "--article", "42"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("nothing was changed: ") && said.contains("1 are not"),
        "{said}"
    );
    assert_eq!((world.rows_of_article("42", true).await, world.keys_of_article("42", true).await), before);
    // The articles of other partitions can be deleted.
    let other = (43..999).find(|id| Partition::of((*id).try_into().unwrap()) != Partition::of(number("42"))).unwrap();
    assert_eq!(caller.toggle(any_of(Truth::Redis), 7, other, true, "0af7").await, Ok(()));
    assert_eq!(world.ask(&["delete-article", "--article", &other.to_string()]).await.0, 0);
    world.assert_gone(&other.to_string(), "deleted").await;
}
