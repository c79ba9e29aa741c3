//! What data-subject requests ask for: all that is held about a user, and that it goes.

use std::collections::BTreeMap;

use contract::{Change, Event, Kind, Partition, Truth, UserId, Version, keys};
use redis::AsyncCommands as _;
use serde_json::Value;
use stack::wait_for;

use crate::{
    tables::On,
    world::{LIMIT, World, any_of, event, record},
};

const USER: &str = "auth0|507f1f77bcf86cd799439011";

/// Reads of an article by a user, each with the article's number after it.
fn read(seq: u64, user: &str) -> Event {
    let version = Version { ms: 1_763_800_000_000, seq };
    Event {
        version,
        user: user.parse().ok(),
        article: "42".parse().unwrap(),
        change: Change::Read(seq + 1),
        // The snapshot deletes what was read a year ago.
        occurred_at: jiff::Timestamp::now(),
        ..event(1)
    }
}

impl World {
    /// What an export prints, by what holds it.
    async fn exported(&self, user: &str) -> BTreeMap<String, Vec<Value>> {
        let mut held: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in self.ask_json(&["export", "--user", user]).await {
            held.entry(line["held"].as_str().unwrap().to_owned()).or_default().push(line);
        }
        held
    }

    /// How many last reads there are of users.
    async fn last_reads(&self) -> i64 {
        sqlx::query_scalar("SELECT COUNT(*) FROM user_read").fetch_one(&self.mysql).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_all_that_is_held_about_a_user_and_nothing_of_others() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    for kind in Kind::ALL.iter().copied() {
        for user in [USER, "7"] {
            let (user, article) = (user.parse().unwrap(), format!("about-{kind}").parse().unwrap());
            assert_eq!(caller.toggle_of(kind, &user, &article, true, "0af7").await, Ok(()));
        }
    }
    world.publish([record(&read(0, USER)), record(&read(1, "7"))]).await;
    world.bury(&read(2, USER).to_json(), &[("reason", "a test")]).await;
    world.bury(format!(r#"{{"type":"dance","user_id":"{USER}"}}"#).as_bytes(), &[("reason", "no kind")]).await;
    world.bury(&read(3, "7").to_json(), &[("reason", "a test")]).await;
    assert_eq!(world.ask(&["bars", "add", "--user", USER, "--reason", "spam"]).await.0, 0);
    let user: UserId = USER.parse().unwrap();
    let limit = keys::limits_of(Partition::all().next().unwrap(), user.number()).next().unwrap();
    let () = world.redis().await.pset_ex(limit, 1, 600_000).await.unwrap();
    world.settled().await;

    let held = world.exported(USER).await;
    let count = |name: &str| held.get(name).map_or(0, Vec::len);
    assert_eq!(count("interaction"), Kind::ALL.len());
    for kind in Kind::ALL {
        let row = held["interaction"].iter().find(|row| row["kind"] == kind.name()).unwrap();
        assert_eq!((&row["on"], &row["article_id"]), (&true.into(), &format!("about-{kind}").into()), "{row}");
    }
    assert_eq!((count("user_read"), count("dead_letter"), count("erased_user")), (1, 2, 0));
    assert_eq!(count("event"), Kind::ALL.len() + 1);
    assert!(held["event"].iter().all(|line| line["event"]["user_id"] == USER), "{held:?}");
    assert_eq!((&held["user_bar"][0]["reason"], &held["name"][0]["text"]), (&"spam".into(), &USER.into()));
    assert_eq!(count("limit"), 1, "{held:?}");

    let erased = &world.ask_json(&["erase", "--user", USER, "--json"]).await[0];
    let remains = erased["remains"].to_string();
    for place in ["bars lift", "binary log", "append-only", "backups", &world.dlq_topic] {
        assert!(remains.contains(place), "{place}: {remains}");
    }
    let left = world.exported(USER).await;
    let mut left: Vec<&str> = left.keys().map(String::as_str).filter(|held| *held != "limit").collect();
    left.sort_unstable();
    assert_eq!(left, ["dead_letter", "erased_user", "event", "user_bar"], "what `erase` said remains");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_users_are_erased_in_one_pass_or_none() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    let gone = [USER, "7", "8"];
    let kinds = [any_of(Truth::Redis), any_of(Truth::Mysql)];
    for kind in kinds {
        for user in gone.into_iter().chain(["9"]) {
            for article in ["42", "how-to-like"] {
                let (user, article) = (user.parse().unwrap(), article.parse().unwrap());
                assert_eq!(caller.toggle_of(kind, &user, &article, true, "0af7").await, Ok(()));
            }
        }
    }
    world.settled().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    let path = file.to_str().unwrap();
    std::fs::write(&file, format!("{}\n\na b\n", gone.join("\n"))).unwrap();
    assert_eq!(world.ask(&["erase", "--file", path]).await.0, 1, "the fifth line is no id");
    assert_eq!(world.standing().await.len(), 2 * 2 * 4, "nothing was changed");

    std::fs::write(&file, format!("{}\r\n\n7\n", gone.join("\n"))).unwrap();
    let erased = world.ask_json(&["erase", "--file", path, "--json"]).await;
    assert_eq!(erased.len(), gone.len());
    for user in gone {
        let of = erased.iter().find(|line| line["user_id"] == user).unwrap();
        assert_eq!(of["erased"]["in_redis"][kinds[0].name()], 2, "{of}");
        assert!(kinds.iter().all(|kind| of["erased"]["in_mysql"][kind.name()] == 2), "{of}");
    }
    world.settled().await;
    let left: On = world.standing().await;
    assert_eq!((left.len(), left.iter().all(|(_, user, _)| *user == 9)), (4, true), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_read_is_kept_for_as_long_as_the_site_says() {
    let world = World::new().await;
    let mut consumer = world.command(&["consume", "--read-history-days", "0"]).spawn().unwrap();
    world.publish([record(&read(0, "7"))]).await;
    world.consumed().await;
    assert_eq!(world.last_reads().await, 0, "none is kept");
    let tables = world.tables().await;
    assert!(tables.user_reads.is_empty());
    consumer.kill().await.unwrap();

    let _consumer = world.start("consume");
    world.publish([record(&read(1, "7")), record(&read(2, "8"))]).await;
    world.consumed().await;
    assert_eq!(world.last_reads().await, 2);
    let older = "UPDATE user_read SET last_read_at = UTC_TIMESTAMP(3) - INTERVAL 31 DAY WHERE user_id = 7";
    sqlx::query(older).execute(&world.mysql).await.unwrap();
    let newer = "UPDATE user_read SET last_read_at = UTC_TIMESTAMP(3) - INTERVAL 29 DAY WHERE user_id = 8";
    sqlx::query(newer).execute(&world.mysql).await.unwrap();
    let _snapshot = world.command(&["snapshot", "--read-history-days", "30"]).spawn().unwrap();
    wait_for("what is older to go", LIMIT, async || Ok((world.last_reads().await == 1).then_some(()))).await.unwrap();
    let reads: i64 = sqlx::query_scalar("SELECT read_count FROM article_stats WHERE article_id = 42")
        .fetch_one(&world.mysql)
        .await
        .unwrap();
    assert_eq!(reads, 3, "the article's number stays");
}
