//! Undoing the changes of an attack.

use std::time::Duration;

use contract::{
    Cause, Change, Event, Kind, Partition, Truth, Written,
    scripts::{Hold, Refusal, Undo},
};
use rdkafka::Message as _;
use stack::wait_for;

use crate::{
    tables::On,
    world::{LIMIT, World, any_of, place_of},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_barred_user_may_switch_nothing_on_until_the_bar_is_lifted() {
    let world = World::new().await;
    let persister = world.start("warm");
    world.warm().await;
    let mut caller = world.caller().await;
    let (code, output) = world.ask(&["bars", "add", "--user", "7,8", "--reason", "a ring"]).await;
    assert!(code == 0 && output.contains("2 users barred"), "{output}");
    assert_eq!(world.ask(&["bars", "add", "--user", "9", "--reason", "erasure under way"]).await.0, 1);
    let barred = Err(Refusal::Barred);
    for kind in Kind::ALL.iter().copied() {
        for article in 1..=200 {
            assert_eq!(caller.toggle(kind, 8, article, true, "").await, barred);
        }
    }
    let listed = world.ask_json(&["bars", "list", "--json"]).await;
    let users: Vec<_> = listed.iter().map(|bar| (bar["user_id"].as_str(), bar["reason"].as_str())).collect();
    assert_eq!(users, [(Some("7"), Some("a ring")), (Some("8"), Some("a ring"))]);
    assert!(world.ask(&["bars", "list"]).await.1.contains("a ring"));

    // A `bars lift` that was interrupted after MySQL: running it again finishes it.
    sqlx::query("DELETE FROM user_bar WHERE user_id = 8").execute(&world.mysql).await.unwrap();
    assert_eq!(caller.toggle(any_of(Truth::Redis), 8, 1, true, "").await, barred);
    assert_eq!(world.ask(&["bars", "lift", "--user", "8"]).await.0, 0);
    for kind in Kind::ALL.iter().copied() {
        for article in 1..=200 {
            caller.toggled(kind, 8, article, true).await;
        }
        assert_eq!(caller.toggle(kind, 7, 1, true, "").await, barred, "the other one stays");
    }

    // The bar of a user who is being erased stays until the erasure is done.
    sqlx::query("UPDATE user_bar SET reason = 'erasure under way'").execute(&world.mysql).await.unwrap();
    assert_eq!(world.ask(&["bars", "lift", "--user", "7"]).await.0, 1);
    for kind in Kind::ALL.iter().copied() {
        assert_eq!(caller.toggle(kind, 7, 1, true, "").await, barred);
    }
    drop(persister);
}

/// These users with each of the kind's three articles, for the next test.
fn of_each_article(kind: Kind, users: impl Iterator<Item = i64>) -> On {
    let first = 1 + 10 * place_of(kind);
    users.flat_map(|user| (first..first + 3).map(move |article| (kind, user, article))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_undoes_exactly_what_is_still_on_because_of_the_attack() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    let (mut attack, mut spared, mut others) = (On::new(), On::new(), On::new());
    for kind in Kind::ALL.iter().copied() {
        let first = 1 + 10 * place_of(kind);
        // User 3 had it on before the attack, so the attack's call changed nothing.
        caller.toggled(kind, 3, first, true).await;
        let bad = of_each_article(kind, 1..=200);
        for (_, user, article) in &bad {
            assert_eq!(caller.toggle(kind, *user, *article, true, "bad").await, Ok(()));
        }
        for (_, user, article) in of_each_article(kind, 1000..=1020) {
            caller.toggled(kind, user, article, true).await;
            others.insert((kind, user, article));
        }
        caller.toggled(kind, 1, first, false).await;
        caller.toggled(kind, 2, first, false).await;
        caller.toggled(kind, 2, first, true).await;
        attack.extend(bad.into_iter().filter(|pair| *pair != (kind, 3, first)));
        spared.extend([(kind, 1, first), (kind, 2, first)]);
        others.extend([(kind, 2, first), (kind, 3, first)]);
    }
    world.settled().await;
    let before = world.tables().await;

    let planned = world.ask_json(&["revoke", "--ip-hash", "bad", "--json"]).await;
    let count =
        |lines: &[serde_json::Value], outcome: &str| lines.iter().filter(|line| line["outcome"] == outcome).count();
    let wanted = attack.len() - spared.len();
    assert_eq!((count(&planned, "would_undo"), count(&planned, "changed_since")), (wanted, spared.len()));
    let of_kind = |kind: &Kind| planned.iter().filter(|line| line["kind"] == kind.name()).count();
    assert!(Kind::ALL.iter().all(|kind| of_kind(kind) == attack.len() / Kind::ALL.len()));
    assert_eq!(world.tables().await, before, "without --execute nothing is changed");
    let (code, output) = world.ask(&["revoke", "--ip-hash", "bad", "--bar"]).await;
    assert!(code == 0 && output.contains(&format!("{wanted} would be undone")), "{output}");
    assert!(output.contains("200 users would be barred") && output.contains("KIND"), "{output}");
    for not_narrow in [["--since", "2026-01-01T00:00:00Z"], ["--kind", Kind::ALL[0].name()]] {
        let everybody = [&["revoke", "--execute"], &not_narrow[..]].concat();
        assert_eq!(world.ask(&everybody).await.0, 1, "a revoke of everybody is refused");
    }

    // One kind, then all of them.
    let first = Kind::ALL[0];
    let only = ["revoke", "--ip-hash", "bad", "--kind", first.name(), "--execute", "--json"];
    let done = world.ask_json(&only).await;
    assert!(count(&done, "undone") == wanted / Kind::ALL.len() && done.iter().all(|line| line["kind"] == first.name()));
    let mut expected = others.clone();
    expected.extend(attack.difference(&spared).filter(|(kind, ..)| *kind != first));
    assert_eq!(world.standing().await, expected, "when it returns, MySQL has it");
    let done = world.ask_json(&["revoke", "--ip-hash", "bad", "--execute", "--json"]).await;
    assert_eq!(count(&done, "undone"), wanted - wanted / Kind::ALL.len());
    let last = 10 * i64::try_from(Kind::ALL.len()).unwrap();
    assert_eq!((world.standing().await, world.standing_in_redis(1..=last).await), (others.clone(), others));

    world.settled().await;
    // In each kind, users 1 and 2 changed a pair again. That adds events, but no rows.
    let all = before.rows.len() + 2 * Kind::ALL.len() + wanted;
    let events = world.records(&world.topic, all).await;
    let events = events.iter().map(|record| Event::from_json(record.payload().unwrap()).unwrap());
    let revoked: On = events.filter(|event| event.cause == Cause::Revoke).map(|event| pair_of(&event)).collect();
    assert_eq!(revoked, attack.difference(&spared).copied().collect());

    let after = world.tables().await;
    let again = world.ask_json(&["revoke", "--ip-hash", "bad", "--execute", "--bar", "--json"]).await;
    assert_eq!(count(&again, "changed_since"), attack.len());
    world.settled().await;
    assert_eq!(world.tables().await, after, "twice changes nothing");
    for kind in Kind::ALL.iter().copied() {
        for (user, article, answer) in
            [(200, 1, Err(Refusal::Barred)), (200, 99, Err(Refusal::Barred)), (1000, 99, Ok(()))]
        {
            assert_eq!(caller.toggle(kind, user, article, true, "elsewhere").await, answer, "{kind}");
        }
    }
}

fn pair_of(event: &Event) -> (Kind, i64, i64) {
    let Change::Switch(kind, _) = event.change else { panic!("{event:?}") };
    (kind, event.user.as_ref().unwrap().number().get(), event.article.number().get())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mysql_decides_is_undone_at_once_and_the_revoke_waits_for_redis() {
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    let kind = any_of(Truth::Mysql);
    assert_eq!(caller.toggle(kind, 7, 42, true, "bad").await, Ok(()));
    world.settled().await;
    persister.kill().await.unwrap();

    let revoke = ["revoke", "--ip-hash", "bad", "--execute", "--wait-seconds", "1"];
    assert_eq!(world.ask(&revoke).await.0, 1, "Redis still shows it");
    assert!(world.standing().await.is_empty());
    assert_eq!(world.standing_in_redis(42..=42).await, On::from([(kind, 7, 42)]));
    let _persister = world.start("run");
    world.settled().await;
    assert!(world.standing_in_redis(42..=42).await.is_empty());
    assert_eq!(world.ask(&revoke).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_waits_and_a_killed_revoke_leaves_no_hold_for_long() {
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    let (mut caller, kind) = (world.caller().await, any_of(Truth::Redis));
    assert_eq!(caller.toggle(kind, 7, 42, true, "bad").await, Ok(()));
    world.settled().await;
    persister.kill().await.unwrap();
    // This change is not relayed, so the revoke waits for it.
    caller.toggled(kind, 8, 42, true).await;

    let mut revoke = world.command(&["revoke", "--ip-hash", "bad", "--execute", "--wait-seconds", "2"]);
    let mut revoke = revoke.spawn().unwrap();
    let mut asking = caller.clone();
    wait_for("the hold", LIMIT, async || {
        let answer = asking.clone().toggle(kind, 7, 42, true, "again").await;
        Ok((answer == Err(Refusal::Held)).then_some(()))
    })
    .await
    .unwrap();
    revoke.kill().await.unwrap();
    assert_eq!(asking.toggle(kind, 7, 42, false, "again").await, Err(Refusal::Held));
    assert_eq!(asking.toggle(kind, 9, 42, true, "again").await, Ok(()), "others are not held");
    assert_eq!(asking.toggle(kind, 7, 43, true, "again").await, Ok(()), "others of the same user are not held");
    wait_for("the hold to run out", Duration::from_secs(25), async || {
        let answer = asking.clone().toggle(kind, 7, 42, false, "again").await;
        Ok((answer == Ok(())).then_some(()))
    })
    .await
    .unwrap();

    // A revoke that gives up by itself ends its hold at once.
    assert_eq!(asking.toggle(kind, 7, 42, true, "again").await, Ok(()));
    let (code, _) = world.ask(&["revoke", "--ip-hash", "bad", "--execute", "--wait-seconds", "1"]).await;
    assert_eq!(code, 1);
    assert_eq!(asking.toggle(kind, 7, 42, false, "again").await, Ok(()));

    // A revoke whose hold has run out undoes nothing.
    assert_eq!(asking.toggle(kind, 7, 42, true, "again").await, Ok(()));
    let article = 42.try_into().unwrap();
    let (partition, pairs) = (Partition::of(article), [(article, kind, 7.try_into().unwrap())]);
    let held = asking.call(&Hold { partition, pairs: &pairs, lasts_ms: 1 }).await.unwrap();
    assert_eq!(held.got, [true]);
    let until: u64 = held.until.parse().unwrap();
    let mut redis = world.redis().await;
    wait_for("the hold's end", LIMIT, async || {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut redis).await?;
        Ok((seconds * 1000 + micros / 1000 >= until).then_some(()))
    })
    .await
    .unwrap();
    let written = Written { kind, user: "7".parse().unwrap(), article: "42".parse().unwrap() };
    let undo = Undo { partition, pairs: &[written], cause: Cause::Revoke, until: &held.until };
    assert_eq!(asking.call(&undo).await.unwrap().done, [false]);
    assert!(world.standing_in_redis(42..=42).await.contains(&(kind, 7, 42)));
}
