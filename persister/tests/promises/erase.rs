//! The right to be forgotten.

use std::collections::BTreeSet;

use contract::{ArticleId, Change, Event, UserId, Version};
use rdkafka::Message as _;

use crate::world::{World, event, record};

impl World {
    /// How many rows of the user there are, and the counts of likes and collects in all.
    async fn rows_of(&self, user: i64) -> (i64, i64, i64) {
        sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM user_like WHERE user_id = ?) + (SELECT COUNT(*) FROM user_read WHERE user_id = ?)
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
