//! Taking back what an attack left.

use std::{collections::BTreeSet, time::Duration};

use contract::{Cause, Event, keys, scripts};
use rdkafka::Message as _;
use stack::wait_for;

use crate::world::{LIMIT, World};

impl World {
    pub(crate) async fn settled(&self) {
        self.outboxes_empty().await;
        self.consumed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_barred_may_not_like_until_let_in_again() {
    let world = World::new().await;
    let persister = world.start("warm");
    world.warm().await;
    let mut liker = world.liker().await;
    assert_eq!(liker.like(7, 1, true, "").await, "OK");
    let (code, told) = world.ask(&["bars", "add", "--user", "7,8", "--reason", "a ring"]).await;
    assert!(code == 0 && told.contains("2 users barred"), "{told}");
    assert_eq!(world.ask(&["bars", "add", "--user", "9", "--reason", "erasure under way"]).await.0, 1);
    for article in 1..=200 {
        assert_eq!(liker.like(8, article, true, "").await, "BARRED");
    }
    let barred = world.ask_json(&["bars", "list", "--json"]).await;
    let users: Vec<_> = barred.iter().map(|bar| (bar["user_id"].as_str(), bar["reason"].as_str())).collect();
    assert_eq!(users, [(Some("7"), Some("a ring")), (Some("8"), Some("a ring"))]);
    assert!(world.ask(&["bars", "list"]).await.1.contains("a ring"));

    // Cut short after MySQL: to do it again finishes it.
    sqlx::query("DELETE FROM user_bar WHERE user_id = 8").execute(&world.mysql).await.unwrap();
    assert_eq!(liker.like(8, 1, true, "").await, "BARRED");
    assert_eq!(world.ask(&["bars", "lift", "--user", "8"]).await.0, 0);
    for article in 1..=200 {
        assert_eq!(liker.like(8, article, true, "").await, "OK");
    }
    assert_eq!(liker.like(7, 1, true, "").await, "BARRED", "the other one stays");

    // Of one who is being erased the bar stays until that is done.
    sqlx::query("UPDATE user_bar SET reason = 'erasure under way'").execute(&world.mysql).await.unwrap();
    assert_eq!(world.ask(&["bars", "lift", "--user", "7"]).await.0, 1);
    assert_eq!(liker.like(7, 1, true, "").await, "BARRED");
    drop(persister);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_undoes_exactly_the_likes_that_still_stand_because_of_the_attack() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut liker = world.liker().await;
    // User 3 liked before the attack, so the attack's like changed nothing.
    liker.liked(3, 1, true).await;
    for article in 1..=3 {
        for user in 1..=400 {
            assert_eq!(liker.like(user, article, true, "bad").await, "OK");
        }
        for user in 1000..=1020 {
            liker.liked(user, article, true).await;
        }
    }
    liker.liked(1, 1, false).await;
    liker.liked(2, 1, false).await;
    liker.liked(2, 1, true).await;
    world.settled().await;
    let before = world.tables().await;

    let spared = [(1, 1), (2, 1)];
    let attack: BTreeSet<(i64, i64)> =
        (1..=400).flat_map(|user| (1..=3).map(move |article| (user, article))).filter(|pair| *pair != (3, 1)).collect();
    let planned = world.ask_json(&["revoke", "--ip-hash", "bad", "--json"]).await;
    let count =
        |lines: &[serde_json::Value], outcome: &str| lines.iter().filter(|line| line["outcome"] == outcome).count();
    assert_eq!((count(&planned, "would_undo"), count(&planned, "changed_since")), (attack.len() - 2, 2));
    assert_eq!(world.tables().await, before, "without --execute nothing is changed");
    let (code, told) = world.ask(&["revoke", "--ip-hash", "bad", "--bar"]).await;
    assert!(code == 0 && told.contains("1197 would be undone") && told.contains("400 users would be barred"), "{told}");
    assert_eq!(world.ask(&["revoke", "--since", "2026-01-01T00:00:00Z", "--execute"]).await.0, 1, "not everybody");

    let done = world.ask_json(&["revoke", "--ip-hash", "bad", "--execute", "--json"]).await;
    assert_eq!((count(&done, "undone"), count(&done, "changed_since")), (attack.len() - 2, 2));
    let mut expected: BTreeSet<(i64, i64)> =
        (1000..=1020).flat_map(|user| (1..=3).map(move |article| (user, article))).collect();
    expected.extend([(2, 1), (3, 1)]);
    assert_eq!(world.standing().await, expected, "when it returns, MySQL has it");
    assert_eq!(world.standing_in_redis(1..=3).await, expected);
    let events = world.records("interaction.events", before.likes.len() + 2).await;
    let events = events.iter().map(|record| Event::from_json(record.payload().unwrap()).unwrap());
    let revoked: BTreeSet<(i64, i64)> = events
        .filter(|event| event.cause == Cause::Revoke)
        .map(|event| (event.user.unwrap().get(), event.article.get()))
        .collect();
    assert_eq!(revoked, attack.iter().copied().filter(|pair| !spared.contains(pair)).collect());

    let after = world.tables().await;
    let again = world.ask_json(&["revoke", "--ip-hash", "bad", "--execute", "--bar", "--json"]).await;
    assert_eq!(count(&again, "changed_since"), attack.len());
    world.settled().await;
    assert_eq!(world.tables().await, after, "twice changes nothing");
    for (user, article, word) in [(400, 1, "BARRED"), (400, 99, "BARRED"), (1000, 99, "OK")] {
        assert_eq!(liker.like(user, article, true, "elsewhere").await, word);
    }
    let (refused, ..): (String, i64, i64, i64) =
        sqlx::query_as("CALL collect(400, 1, 1, NULL, '', '')").fetch_one(&world.mysql).await.unwrap();
    assert_eq!(refused, "BARRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_like_waits_and_a_killed_revoke_leaves_no_hold_for_long() {
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    let mut liker = world.liker().await;
    assert_eq!(liker.like(7, 42, true, "bad").await, "OK");
    world.settled().await;
    persister.kill().await.unwrap();
    // Never relayed: the revoke waits for it.
    liker.liked(8, 42, true).await;

    let mut revoke = world.command(&["revoke", "--ip-hash", "bad", "--execute", "--wait-seconds", "2"]);
    let mut revoke = revoke.spawn().unwrap();
    let mut asking = liker.clone();
    wait_for("the hold", LIMIT, async || {
        let answer = asking.clone().like(7, 42, true, "again").await;
        Ok((answer == "HELD").then_some(()))
    })
    .await
    .unwrap();
    revoke.kill().await.unwrap();
    assert_eq!(asking.like(7, 42, false, "again").await, "HELD");
    assert_eq!(asking.like(9, 42, true, "again").await, "OK", "others are not held");
    assert_eq!(asking.like(7, 43, true, "again").await, "OK", "nor are others of the same user");
    wait_for("the hold to run out", Duration::from_secs(25), async || {
        let answer = asking.clone().like(7, 42, false, "again").await;
        Ok((answer == "OK").then_some(()))
    })
    .await
    .unwrap();

    // One that gives up by itself lets go at once.
    assert_eq!(asking.like(7, 42, true, "again").await, "OK");
    let (code, _) = world.ask(&["revoke", "--ip-hash", "bad", "--execute", "--wait-seconds", "1"]).await;
    assert_eq!(code, 1);
    assert_eq!(asking.like(7, 42, false, "again").await, "OK");

    // One that was too slow does nothing any more.
    assert_eq!(asking.like(7, 42, true, "again").await, "OK");
    let held = asking.run(scripts::HOLD, &[], &["1", "7:42"]).await;
    assert_eq!((held[0].as_str(), held[3].as_str()), ("OK", "1"));
    let until: u64 = held[2].parse().unwrap();
    let mut redis = world.redis().await;
    wait_for("the hold's end", LIMIT, async || {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut redis).await?;
        Ok((seconds * 1000 + micros / 1000 >= until).then_some(()))
    })
    .await
    .unwrap();
    let article = 42.try_into().unwrap();
    let pair = [keys::likes(article), keys::members(article)];
    let undone = asking.run(scripts::UNDO, &pair, &["revoke", &held[2], "7", "42"]).await;
    assert_eq!((undone[0].as_str(), undone[2].as_str()), ("OK", "0"));
    assert!(world.standing_in_redis(42..=42).await.contains(&(7, 42)));
}
