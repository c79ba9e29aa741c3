//! The right to be forgotten.

use std::collections::BTreeSet;

use contract::{ArticleId, Change, Event, Partition, UserId, Version, keys};
use rdkafka::Message as _;
use stack::wait_for;

use crate::world::{LIMIT, World, event, record, signal};

impl World {
    /// How many rows of the user there are, and the counts of likes and collects in all.
    async fn rows_of(&self, user: i64) -> (i64, i64, i64) {
        sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM user_like WHERE user_id = ?)
                  + (SELECT COUNT(*) FROM user_read WHERE user_id = ?)
                  + (SELECT COUNT(*) FROM user_collect WHERE user_id = ?) + (SELECT COUNT(*) FROM user_bar),
                 (SELECT CAST(SUM(like_count) AS SIGNED) FROM article_stats),
                 (SELECT CAST(SUM(collect_count) AS SIGNED) FROM article_stats)",
        )
        .bind(user)
        .bind(user)
        .bind(user)
        .fetch_one(&self.mysql)
        .await
        .unwrap()
    }

    /// Why the user is barred.
    async fn bar_of(&self, user: i64) -> Option<String> {
        let reason = "SELECT reason FROM user_bar WHERE user_id = ?";
        sqlx::query_scalar(reason).bind(user).fetch_optional(&self.mysql).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_is_gone_and_nothing_brings_anything_back() {
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    let mut liker = world.liker().await;
    for user in [7, 8, 9] {
        for article in 1..=10 {
            liker.liked(user, article, true).await;
            sqlx::query("CALL collect(?, ?, 1, NULL, 'r', 'h')")
                .bind(user)
                .bind(article)
                .execute(&world.mysql)
                .await
                .unwrap();
        }
    }
    let version = Version { ms: 1_763_800_000_000, seq: 0 };
    let read = Event { version, user: UserId::try_from(7).ok(), change: Change::Read(1), ..event(1) };
    world.publish([record(&read)]).await;
    world.settled().await;
    // What is on its way when the user is erased: a like, and an unlike.
    persister.kill().await.unwrap();
    liker.liked(7, 11, true).await;
    liker.liked(7, 1, false).await;

    let report = &world.ask_json(&["erase", "--user", "7", "--json"]).await[0];
    assert_eq!(report["erased"]["likes_in_redis"], 10);
    assert_eq!((&report["erased"]["collects"], &report["erased"]["reads"]), (&10.into(), &1.into()));
    let remains = report["remains"].to_string();
    assert!(remains.contains("topic interaction.events\"") && remains.contains("28 days"), "{remains}");
    assert_eq!(world.rows_of(7).await, (0, 20, 20));
    let others: BTreeSet<(i64, i64)> = [8, 9].iter().flat_map(|user| (1..=10).map(move |of| (*user, of))).collect();
    assert_eq!(world.standing_in_redis(1..=11).await, others);

    let _persister = world.start("run");
    world.settled().await;
    assert_eq!((world.rows_of(7).await, world.standing().await), ((0, 20, 20), others.clone()), "what was on its way");

    // All events again, and one of the user's out of the dead-letter queue.
    let log = world.records("interaction.events", 70).await;
    let key = |message: &rdkafka::message::OwnedMessage| {
        String::from_utf8(message.key().unwrap().to_vec()).unwrap().parse::<ArticleId>().unwrap()
    };
    world.publish(log.iter().map(|message| (key(message), message.payload().unwrap().to_vec()))).await;
    let like = Event { change: Change::Like(true), ..read.clone() };
    world.bury(&like.to_json(), &[("reason", "a test")]).await;
    assert_eq!(world.ask(&["dlq", "replay"]).await.0, 0);
    world.settled().await;
    assert_eq!((world.rows_of(7).await, world.standing().await), ((0, 20, 20), others.clone()), "delivered again");

    let revoked = world.ask_json(&["revoke", "--user", "7", "--json"]).await;
    assert!(revoked.iter().all(|like| like["outcome"] == "not_in_mysql"), "{revoked:?}");

    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    world.warm().await;
    assert_eq!(world.standing_in_redis(1..=11).await, others, "rebuilt");

    let again = &world.ask_json(&["erase", "--user", "7", "--json"]).await[0];
    assert!(again["erased"].as_object().unwrap().values().all(|count| count == 0), "{again}");
    // Somebody who comes back begins anew.
    world.liker().await.liked(7, 5, true).await;
    world.settled().await;
    assert!(world.standing().await.contains(&(7, 5)));
    assert_eq!(world.ask(&["reconcile"]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bar_that_is_set_while_its_user_is_erased_stays() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut liker = world.liker().await;
    assert_eq!(liker.like(7, 42, true, "bad").await, "OK");
    world.settled().await;

    let barred = async |reason: &str| {
        wait_for("the bar", LIMIT, async || Ok((world.bar_of(7).await.as_deref() == Some(reason)).then_some(()))).await
    };
    let mut erase = world.command(&["erase", "--user", "7"]).spawn().unwrap();
    barred("erasure under way").await.unwrap();
    let revoke = ["revoke", "--ip-hash", "bad", "--bar", "--reason", "a ring", "--execute"];
    let mut revoke = world.command(&revoke).spawn().unwrap();
    barred("a ring").await.unwrap();
    assert!(erase.try_wait().unwrap().is_none(), "the erasure was too fast for this test");
    assert!(erase.wait().await.unwrap().success());
    revoke.wait().await.unwrap();
    assert_eq!(world.bar_of(7).await.as_deref(), Some("a ring"));
    assert_eq!(liker.like(7, 43, true, "elsewhere").await, "BARRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_erased_while_a_partition_is_cold() {
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    let mut liker = world.liker().await;
    for article in 1..=10 {
        liker.liked(7, article, true).await;
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
    liker.liked(7, 11, true).await;

    let _persister = world.start("run");
    world.warm().await;
    assert_eq!(world.ask(&["erase", "--user", "7"]).await.0, 0);
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
