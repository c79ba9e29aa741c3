//! Erasing a user: the right to be forgotten.

use contract::{
    ArticleId, ArticleNumber, Cause, Change, Event, Kind, Partition, Truth, Version, keys, scripts::Refusal,
};
use rdkafka::{Message as _, message::OwnedMessage};
use sqlx::AssertSqlSafe;
use stack::wait_for;

use crate::{
    tables::On,
    world::{LIMIT, World, any_of, event, place_of, record, signal},
};

impl World {
    /// The number of rows about the user, and of all bars.
    async fn rows_of(&self, user: i64) -> i64 {
        sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM interaction WHERE user_id = ?)
                  + (SELECT COUNT(*) FROM user_read WHERE user_id = ?) + (SELECT COUNT(*) FROM user_bar)",
        )
        .bind(user)
        .bind(user)
        .fetch_one(&self.mysql)
        .await
        .unwrap()
    }

    /// How many rows MySQL has read for anybody since it started.
    pub(crate) async fn rows_read(&self) -> i64 {
        let status: Vec<(String, String)> =
            sqlx::query_as("SHOW GLOBAL STATUS LIKE 'Handler_read%'").fetch_all(&self.mysql).await.unwrap();
        status.iter().map(|(_, count)| count.parse::<i64>().unwrap()).sum()
    }

    /// Why the user is barred.
    async fn bar_of(&self, user: i64) -> Option<String> {
        let reason = "SELECT reason FROM user_bar WHERE user_id = ?";
        sqlx::query_scalar(reason).bind(user).fetch_optional(&self.mysql).await.unwrap()
    }
}

/// Ten articles of each kind. The one after them is for a change that is on its way during the erasure.
fn articles_of(kind: Kind) -> std::ops::RangeInclusive<i64> {
    let first = 1 + 20 * place_of(kind);
    first..=first + 9
}

/// Deleting in parts must not begin each part with all that is left.
#[tokio::test(flavor = "multi_thread")]
async fn erasing_reads_each_row_a_few_times_however_many_there_are() {
    const ROWS: i64 = 10_000;
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let (first, kind) = (ArticleNumber::try_from(1000).unwrap(), any_of(Truth::Redis).code());
    let p = Partition::of(first).get();
    let insert = format!(
        "INSERT INTO interaction (article_id, kind, user_id, p, status, version_ms, version_seq, updated_at)
         WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 99)
         SELECT 1000 + 100 * a.n + b.n, {kind}, 7, {p}, 0, 1700000000000 + 100 * a.n + b.n, 0, UTC_TIMESTAMP(3) FROM n a, n b"
    );
    sqlx::query(AssertSqlSafe(insert)).execute(&world.mysql).await.unwrap();
    let before = world.rows_read().await;
    assert_eq!(world.ask(&["erase", "--user", "7"]).await.0, 0);
    let read = world.rows_read().await - before;
    assert_eq!(world.rows_of(7).await, 0);
    assert!(read < 8 * ROWS, "{read} rows read to erase {ROWS}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_is_gone_and_nothing_brings_anything_back() {
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    let mut others = On::new();
    for kind in Kind::ALL.iter().copied() {
        for article in articles_of(kind) {
            for user in [7, 8, 9] {
                caller.toggled(kind, user, article, true).await;
            }
            others.extend([(kind, 8, article), (kind, 9, article)]);
        }
    }
    let version = Version { ms: 1_763_800_000_000, seq: 0 };
    let read = Event { version, user: "7".parse().ok(), change: Change::Read(1), ..event(1) };
    world.publish([record(&read)]).await;
    world.settled().await;
    // During the erasure, a switch on and a switch off of each kind are on their way.
    persister.kill().await.unwrap();
    for kind in Kind::ALL.iter().copied() {
        caller.toggled(kind, 7, articles_of(kind).end() + 1, true).await;
        caller.toggled(kind, 7, *articles_of(kind).start(), false).await;
    }

    let erased = &world.ask_json(&["erase", "--user", "7", "--json"]).await[0];
    for kind in Kind::ALL.iter().copied() {
        match kind.truth() {
            // MySQL does not know of the last switch on yet.
            Truth::Redis => assert_eq!(erased["erased"]["in_redis"][kind.name()], 10, "{erased}"),
            Truth::Mysql => assert!(erased["erased"]["in_redis"].get(kind.name()).is_none(), "{erased}"),
        }
        let rows = if kind.truth() == Truth::Redis { 10 } else { 11 };
        assert_eq!(erased["erased"]["in_mysql"][kind.name()], rows, "{erased}");
    }
    assert_eq!(erased["erased"]["reads"], 1);
    let remains = erased["remains"].to_string();
    assert!(remains.contains(&format!("topic {}\"", world.topic)) && remains.contains("28 days"), "{remains}");
    assert_eq!((world.rows_of(7).await, world.standing().await), (0, others.clone()));
    let last = 20 * i64::try_from(Kind::ALL.len()).unwrap();
    let in_redis = world.standing_in_redis(1..=last).await;
    assert!(in_redis.iter().all(|(kind, user, _)| *user != 7 || kind.truth() == Truth::Mysql), "{in_redis:?}");

    let _persister = world.start("run");
    world.settled().await;
    let gone = async |when: &str| {
        assert_eq!((world.rows_of(7).await, world.standing().await), (0, others.clone()), "{when}");
        assert_eq!(world.standing_in_redis(1..=last).await, others, "{when}");
    };
    gone("what was on its way").await;

    // Deliver all events again, and put one of the user's back from the dead-letter queue. The log has an event for each pair
    // that was erased.
    let log = world.records(&world.topic, 42 * Kind::ALL.len() + 1).await;
    let events = log.iter().map(|message| Event::from_json(message.payload().unwrap()).unwrap());
    let erased: On = events
        .filter(|event| event.cause == Cause::Erase)
        .map(|event| match event.change {
            Change::Switch(kind, false) => {
                (kind, event.user.as_ref().unwrap().number().get(), event.article.number().get())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(erased.len(), 10 * Kind::ALL.len(), "{erased:?}");
    let key = |message: &OwnedMessage| {
        String::from_utf8(message.key().unwrap().to_vec()).unwrap().parse::<ArticleId>().unwrap()
    };
    world.publish(log.iter().map(|message| (key(message), message.payload().unwrap().to_vec()))).await;
    let late = Event { change: Change::Switch(any_of(Truth::Redis), true), ..read.clone() };
    world.bury(&late.to_json(), &[("reason", "a test")]).await;
    assert_eq!(world.ask(&["dlq", "replay"]).await.0, 0);
    world.settled().await;
    gone("delivered again").await;

    let revoked = world.ask_json(&["revoke", "--user", "7", "--json"]).await;
    assert!(revoked.iter().all(|one| one["outcome"] == "not_in_mysql"), "{revoked:?}");

    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    world.warm().await;
    gone("rebuilt").await;

    let again = world.ask_json(&["erase", "--user", "7", "--json"]).await[0]["erased"].clone();
    let none = |of: &serde_json::Value| of.as_object().unwrap().values().all(|count| count == 0);
    assert!(none(&again["in_redis"]) && none(&again["in_mysql"]) && again["reads"] == 0, "{again}");
    // A user who comes back starts from nothing.
    let mut caller = world.caller().await;
    for kind in Kind::ALL.iter().copied() {
        caller.toggled(kind, 7, articles_of(kind).start() + 4, true).await;
    }
    world.settled().await;
    let back = world.standing().await;
    assert!(Kind::ALL.iter().all(|kind| back.contains(&(*kind, 7, articles_of(*kind).start() + 4))));
    assert_eq!(world.ask(&["reconcile"]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bar_that_is_set_while_its_user_is_erased_stays() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let (mut caller, kind) = (world.caller().await, any_of(Truth::Redis));
    assert_eq!(caller.toggle(kind, 7, 42, true, "bad").await, Ok(()));
    world.settled().await;

    let mut erase = world.command(&["erase", "--user", "7"]).spawn().unwrap();
    let erasing = async || Ok((world.bar_of(7).await.as_deref() == Some("erasure under way")).then_some(()));
    wait_for("the erasure's bar", LIMIT, erasing).await.unwrap();
    assert_eq!(world.ask(&["bars", "add", "--user", "7", "--reason", "a ring"]).await.0, 0);
    assert!(erase.try_wait().unwrap().is_none(), "the erasure was too fast for this test");
    assert!(erase.wait().await.unwrap().success());
    assert_eq!(world.bar_of(7).await.as_deref(), Some("a ring"));
    assert_eq!(caller.toggle(kind, 7, 43, true, "elsewhere").await, Err(Refusal::Barred));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bar_of_an_erased_user_stays_is_listed_and_can_be_lifted() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let (mut caller, kind) = (world.caller().await, any_of(Truth::Redis));
    // The id of two users is a name, and the erasure leaves only its number. Their bars are lifted in two ways: by the id, and by
    // the number as it is listed.
    let users = ["7", "auth0|507f", "auth0|5080"];
    for user in users {
        let (user_id, article) = (user.parse().unwrap(), "42".parse().unwrap());
        assert_eq!(caller.toggle_of(kind, &user_id, &article, true, "bad").await, Ok(()));
        assert_eq!(world.ask(&["bars", "add", "--user", user, "--reason", "a ring"]).await.0, 0);
    }
    world.settled().await;
    let listed = async || {
        let bars = world.ask_json(&["bars", "list", "--json"]).await;
        assert!(bars.iter().all(|bar| bar["reason"] == "a ring"), "{bars:?}");
        bars.iter().map(|bar| bar["user_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for user in users {
        let erased = &world.ask_json(&["erase", "--user", user, "--json"]).await[0];
        let remains = erased["remains"].as_array().unwrap();
        let bar = remains.iter().find(|place| place["where"].as_str().unwrap().contains("user_bar")).unwrap();
        assert!(bar["what"].as_str().unwrap().contains("a ring"), "{bar}");
        assert_eq!(bar["until"], format!("until `persister bars lift --user {user}`"));
    }
    assert_eq!(listed().await.len(), users.len());
    assert_eq!(world.ask(&["bars", "lift", "--user", users[0], "--user", users[1]]).await.0, 0);
    let left = listed().await;
    assert!(left.len() == 1 && left[0].starts_with('#'), "{left:?}");
    assert_eq!(world.ask(&["bars", "lift", "--user", &left[0]]).await.0, 0);
    assert!(listed().await.is_empty());
    for user in users {
        let (user_id, article) = (user.parse().unwrap(), "43".parse().unwrap());
        assert_eq!(caller.toggle_of(kind, &user_id, &article, true, "elsewhere").await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_erased_while_a_partition_is_cold() {
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    for kind in Kind::ALL.iter().copied() {
        for article in 1..=10 {
            caller.toggled(kind, 7, article, true).await;
        }
    }
    world.settled().await;
    persister.kill().await.unwrap();
    let (rows, standing) = (world.tables().await, world.standing_in_redis(1..=10).await);
    let cold = Partition::all().find(|cold| (1..=11).all(|id| Partition::of(id.try_into().unwrap()) != *cold)).unwrap();
    redis::cmd("DEL").arg(keys::warm(cold)).exec_async(&mut world.redis().await).await.unwrap();

    let refused = world.command(&["erase", "--user", "7"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("nothing was changed: ") && said.contains("1 are not"),
        "{said}"
    );
    assert_eq!((world.tables().await, world.standing_in_redis(1..=10).await), (rows, standing));
    assert_eq!(world.bar_of(7).await, None);
    let erased: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM erased_user").fetch_one(&world.mysql).await.unwrap();
    assert_eq!(erased, 0);
    caller.toggled(any_of(Truth::Redis), 7, 11, true).await;

    let _persister = world.start("run");
    world.warm().await;
    assert_eq!(world.ask(&["erase", "--user", "7"]).await.0, 0);
    world.settled().await;
    assert!(world.standing_in_redis(1..=11).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_is_cut_off_does_not_say_that_it_is_done() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut locker = world.mysql.acquire().await.unwrap();
    sqlx::raw_sql("LOCK TABLES user_bar WRITE").execute(&mut *locker).await.unwrap();
    let mut erase = world.command(&["erase", "--user", "7"]).spawn().unwrap();
    wait_for("the erasure to come to the table", LIMIT, async || {
        let begun = "SELECT EXISTS (SELECT 1 FROM erased_user WHERE user_id = 7)";
        Ok(sqlx::query_scalar::<_, bool>(begun).fetch_one(&world.mysql).await?.then_some(()))
    })
    .await
    .unwrap();
    signal("TERM", &erase);
    assert_eq!(erase.wait().await.unwrap().code(), Some(1));
}
