//! Comparing the stores.

use std::time::Duration;

use contract::{ArticleNumber, Kind, Partition, Truth, keys};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, raw_sql};

use crate::{
    tables::On,
    world::{World, any_of, place_of},
};

/// The first of a kind's five articles.
fn first_of(kind: Kind) -> i64 {
    1 + 10 * place_of(kind)
}

impl World {
    async fn execute(&self, sql: String) {
        raw_sql(AssertSqlSafe(sql)).execute(&self.mysql).await.unwrap();
    }

    /// In the store that follows: user 5 has lost the first article, and user 6 the second, without a trace; user 777 has
    /// the first, and nobody did that. In each store one count is wrong by itself.
    async fn damage(&self, kind: Kind) {
        let (code, first) = (kind.code(), first_of(kind));
        let article = |place: i64| ArticleNumber::try_from(first + place).unwrap();
        let mut redis = self.redis().await;
        match kind.truth() {
            Truth::Redis => {
                self.execute(format!("UPDATE interaction SET status = 0 WHERE user_id = 5 AND kind = {code}")).await;
                self.execute(format!("DELETE FROM interaction WHERE user_id = 6 AND kind = {code}")).await;
                let p = Partition::of(article(0));
                self.execute(format!(
                    "INSERT INTO interaction (article_id, kind, user_id, p, status, version_ms, version_seq, updated_at)
                     VALUES ({first}, {code}, 777, {p}, 1, 1, 1, UTC_TIMESTAMP(3))"
                ))
                .await;
            }
            Truth::Mysql => {
                let mut change = redis::pipe();
                change.srem(keys::members(kind, article(0)), 5).srem(keys::members(kind, article(1)), 6);
                change.sadd(keys::members(kind, article(0)), 777);
                change.exec_async(&mut redis).await.unwrap();
            }
        }
        self.execute(format!(
            "UPDATE interaction_count SET count = count + 3 WHERE kind = {code} AND article_id = {}",
            first + 3
        ))
        .await;
        redis::cmd("INCRBY").arg(keys::count(kind, article(2))).arg(9).exec_async(&mut redis).await.unwrap();
    }
}

/// What that is found as, sorted.
fn expected(kind: Kind) -> Vec<String> {
    let first = first_of(kind);
    // The follower's own count is wrong where its users were changed; in the first article one came and one went.
    let follower = if kind.truth() == Truth::Redis { "mysql_count" } else { "redis_count" };
    let mut all: Vec<String> = [
        ("status", 0, "5"),
        ("status", 1, "6"),
        ("status", 0, "777"),
        (follower, 1, "null"),
        ("redis_count", 2, "null"),
        ("mysql_count", 3, "null"),
    ]
    .map(|(what, place, user)| format!("{what} {kind} {} {user}", first + place))
    .to_vec();
    all.sort();
    all
}

fn differences(report: &Value) -> Vec<String> {
    let text = |of: &Value| format!("{} {} {} {}", of["what"], of["kind"], of["article_id"], of["user_id"]);
    let mut all: Vec<String> =
        report["differences"].as_array().unwrap().iter().map(|of| text(of).replace('"', "")).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn under_traffic_only_true_differences_are_found_and_a_repair_leaves_none() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    for kind in Kind::ALL.iter().copied() {
        for user in 1..=300 {
            caller.toggled(kind, user, first_of(kind) + user % 5, true).await;
        }
    }
    world.settled().await;

    // Users 1000 and on go on all the time.
    let mut busy = caller.clone();
    let traffic = tokio::spawn(async move {
        for turn in 0_i64.. {
            for kind in Kind::ALL.iter().copied() {
                busy.toggled(kind, 1000 + turn % 50, first_of(kind) + turn % 5, turn / 50 % 2 == 0).await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let agreed = &world.ask_json(&["reconcile", "--json"]).await[0];
    assert_eq!((&agreed["articles"], &agreed["differences"]), (&(5 * Kind::ALL.len()).into(), &json!([])));

    for kind in Kind::ALL.iter().copied() {
        world.damage(kind).await;
    }
    for kind in Kind::ALL.iter().copied() {
        let (code, found) = world.ask(&["reconcile", "--kind", kind.name(), "--json"]).await;
        assert_eq!((code, differences(&serde_json::from_str(&found).unwrap())), (3, expected(kind)));
    }
    let fifth = Kind::ALL.iter().flat_map(|kind| ["--article".to_owned(), (first_of(*kind) + 4).to_string()]);
    let fifth: Vec<String> = ["reconcile".to_owned()].into_iter().chain(fifth).collect();
    let fifth: Vec<&str> = fifth.iter().map(String::as_str).collect();
    assert_eq!(world.ask(&fifth).await.0, 0, "the other articles agree");

    let (code, table) = world.ask(&["reconcile", "--repair"]).await;
    assert!(code == 0 && table.contains("0 remain") && table.contains("KIND"), "{table}");
    let (code, table) = world.ask(&["reconcile", "--sample", "100"]).await;
    let agreed = format!("{} articles compared, 0 differences", 5 * Kind::ALL.len());
    assert!(code == 0 && table.contains(&agreed), "{table}");
    traffic.abort();
    let _ = traffic.await;
    world.settled().await;
    let standing = world.standing().await;
    assert_eq!(world.standing_in_redis(1..=40).await, standing);
    for kind in Kind::ALL.iter().copied() {
        let first = first_of(kind);
        assert!(standing.contains(&(kind, 5, first)) && standing.contains(&(kind, 6, first + 1)));
        assert!(!standing.contains(&(kind, 777, first)));
    }
}

/// An hourly comparison of a sample must not read everything to choose it.
#[tokio::test(flavor = "multi_thread")]
async fn articles_are_chosen_without_reading_their_rows() {
    const ROWS: i64 = 20_000;
    let world = World::new().await;
    let kind = any_of(Truth::Redis).code();
    for article in [1000, 1001] {
        let p = Partition::of(ArticleNumber::try_from(article).unwrap());
        world
            .execute(format!(
                "INSERT INTO interaction (article_id, kind, user_id, p, status, version_ms, version_seq, updated_at)
                 WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 99)
                 SELECT {article}, {kind}, 1 + 100 * a.n + b.n, {p}, 1, 1, 0, UTC_TIMESTAMP(3) FROM n a, n b"
            ))
            .await;
    }
    // By its statistics the server knows that skipping pays.
    world.execute("ANALYZE TABLE interaction".to_owned()).await;
    let before = world.rows_read().await;
    assert_eq!(world.ask(&["reconcile", "--sample", "0"]).await.0, 0);
    let read = world.rows_read().await - before;
    assert!(read < ROWS / 10, "{read} rows read to choose from articles with {ROWS}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_or_not_warm_is_never_called_a_difference() {
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    persister.kill().await.unwrap();
    let mut caller = world.caller().await;
    for kind in Kind::ALL.iter().copied() {
        caller.toggled(kind, 7, 42, true).await;
        let (code, out) = world.ask(&["reconcile", "--kind", kind.name(), "--json", "--wait-seconds", "1"]).await;
        assert_eq!((code, out.as_str()), (1, ""), "nothing is known");
    }

    let of = Partition::of(ArticleNumber::try_from(42).unwrap());
    redis::cmd("HSET").arg(keys::warm(of)).arg("run_id").arg("x").exec_async(&mut world.redis().await).await.unwrap();
    let (code, out) = world.ask(&["reconcile", "--article", "42", "--json", "--wait-seconds", "1"]).await;
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["not_warm"], &report["remaining"]), (3, &json!(["42"]), &0.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn likes_that_redis_has_evicted_are_not_repaired_out_of_mysql_unless_there_are_few() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let (mut caller, kind) = (world.caller().await, any_of(Truth::Redis));
    let liked: On = [(kind, 7, 41), (kind, 7, 42), (kind, 8, 42)].into();
    for (kind, user, article) in liked.iter().copied() {
        caller.toggled(kind, user, article, true).await;
    }
    world.settled().await;
    let mut evict = redis::pipe();
    for (kind, _, article) in liked.iter().copied() {
        let article = article.try_into().unwrap();
        evict.del(keys::members(kind, article)).del(keys::count(kind, article));
    }
    evict.exec_async(&mut world.redis().await).await.unwrap();

    let repair = async |limit: &[&str]| {
        let (code, out) = world.ask(&[&["reconcile", "--repair", "--json"], limit].concat()).await;
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        (code, report["differences"].as_array().unwrap().len(), report["remaining"].clone())
    };
    assert_eq!(repair(&["--max-differences", "2"]).await, (3, 3, 3.into()));
    world.settled().await;
    assert_eq!(world.standing().await, liked, "nothing was changed");
    assert_eq!(repair(&["--max-differences", "3"]).await, (0, 3, 0.into()));
    assert!(world.standing().await.is_empty());
}

/// The set in which `lua/include/members.lua` puts a user, among so many sets.
fn set_of(user: i64, sets: i64) -> i64 {
    let [low, middle, high] = [1, 100_000, 10_000_000_000].map(|unit| user / unit % 100_000);
    let hash = (low * 14_029_467_367 + middle * 9_576_890_767 + high * 11_400_714_819) % 4_294_967_296 / 256;
    let power = 1 << sets.ilog2();
    let index = hash % (power * 2);
    if index < sets { index } else { hash % power }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_whose_users_are_in_very_many_sets_is_checked_slice_by_slice() {
    const SETS: i64 = 6000;
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    let mut redis = world.redis().await;
    for kind in Kind::ALL.iter().copied() {
        for user in 1..=30 {
            caller.toggled(kind, user, first_of(kind), true).await;
        }
    }
    world.settled().await;
    for kind in Kind::ALL.iter().copied() {
        // As if more than a million users had come and gone.
        let members = keys::members(kind, ArticleNumber::try_from(first_of(kind)).unwrap());
        let mut spread = redis::pipe();
        spread.del(&members).set(format!("{members}:n"), SETS);
        for user in 1..=30 {
            spread.sadd(format!("{members}:{}", set_of(user, SETS)), user);
        }
        spread.exec_async(&mut redis).await.unwrap();
        caller.toggled(kind, 31, first_of(kind), true).await;
        caller.toggled(kind, 1, first_of(kind), false).await;
    }
    world.settled().await;
    let agreed = &world.ask_json(&["reconcile", "--json"]).await[0];
    assert_eq!(agreed["differences"], json!([]));

    for kind in Kind::ALL.iter().copied() {
        let count = keys::count(kind, ArticleNumber::try_from(first_of(kind)).unwrap());
        redis::cmd("INCRBY").arg(count).arg(9).exec_async(&mut redis).await.unwrap();
    }
    let (code, report) = world.ask(&["reconcile", "--json"]).await;
    let report: Value = serde_json::from_str(&report).unwrap();
    let mut wrong: Vec<String> =
        Kind::ALL.iter().map(|kind| format!("redis_count {kind} {} null", first_of(*kind))).collect();
    wrong.sort();
    assert_eq!((code, differences(&report)), (3, wrong));
    assert_eq!(world.ask(&["reconcile", "--repair"]).await.0, 0);
    assert_eq!(world.ask_json(&["reconcile", "--json"]).await[0]["differences"], json!([]));
}
