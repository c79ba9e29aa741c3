//! From Redis to Kafka.

use std::collections::BTreeSet;

use contract::{Change, Event, Kind, Partition, Truth, keys};
use rdkafka::message::{Headers as _, Message as _};

use crate::{
    tables::On,
    world::{LIMIT, World, any_of, event},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_relay_is_replaced_and_nothing_is_lost() {
    let world = World::new().await;
    let switches: Vec<Event> =
        (0..40_000).map(event).filter(|event| matches!(event.change, Change::Switch(..))).collect();
    for some in switches.chunks(switches.len() / 3 + 1) {
        world.append(some).await;
        let mut relay = world.start("relay");
        // It has begun, and has more in hand.
        world.outboxes_at_most(some.len() as u64 - 1).await;
        relay.kill().await.unwrap();
    }
    let _relay = world.start("relay");
    world.outboxes_empty().await;
    let records = world.records(&world.topic, switches.len()).await;
    let versions: BTreeSet<_> = records
        .iter()
        .map(|record| Event::from_json(record.payload().unwrap()).unwrap())
        .map(|event| (event.article, event.version))
        .collect();
    assert_eq!(versions.len(), switches.len(), "each entry is there, though some may be there twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_starts_while_redis_is_full_empties_it() {
    let world = World::new().await;
    let mut redis = world.redis().await;
    world.append(&[event(1)]).await;
    let mut relay = world.start("relay");
    world.outboxes_empty().await;
    relay.kill().await.unwrap();
    let switches: Vec<Event> =
        (0..1000).map(event).filter(|event| matches!(event.change, Change::Switch(..))).collect();
    world.append(&switches).await;
    // Where nobody has written yet there is no outbox, and a full Redis takes none.
    let empty =
        Partition::all().find(|empty| (1..=30).all(|id| Partition::of(id.try_into().unwrap()) != *empty)).unwrap();
    redis::cmd("DEL").arg(keys::outbox(empty)).exec_async(&mut redis).await.unwrap();
    let maxmemory = async |bytes: u32| {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg(bytes).exec_async(&mut world.redis().await).await.unwrap();
    };
    maxmemory(1).await;
    let refused = redis::cmd("SET").arg("more").arg(1).exec_async(&mut redis).await.unwrap_err();
    assert_eq!(refused.code(), Some("OOM"));

    let _relay = world.start("relay");
    world.outboxes_empty().await;
    maxmemory(0).await;
    let add = |entry: &str| redis::cmd("XADD").arg(keys::outbox(empty)).arg("*").arg("type").arg(entry).to_owned();
    add("dance").exec_async(&mut redis).await.unwrap();
    world.outboxes_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_no_event_goes_to_the_dead_letter_queue() {
    let world = World::new().await;
    let stream = keys::outbox(Partition::from_number(5).unwrap());
    let id: String = redis::cmd("XADD")
        .arg(&stream)
        .arg("*")
        .arg("type")
        .arg("dance")
        .query_async(&mut world.redis().await)
        .await
        .unwrap();
    let _relay = world.start("relay");
    world.outboxes_empty().await;
    let dead = world.records(&world.dlq_topic, 1).await;
    let headers = dead[0].headers().unwrap();
    let header = |key: &str| headers.iter().find(|header| header.key == key).and_then(|header| header.value);
    assert_eq!(header("stream"), Some(stream.as_bytes()));
    assert_eq!(header("id"), Some(id.as_bytes()));
    assert!(header("reason").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mysql_decides_reaches_kafka_and_redis_each_at_its_own_pace() {
    let world = World::new().await;
    let _relay = world.start("relay");
    let mut caller = world.caller().await;
    let mut expected = On::new();
    for kind in Kind::of(Truth::Mysql) {
        for user in 1..=20 {
            caller.toggled(kind, user, 42, true).await;
            expected.insert((kind, user, 42));
        }
    }
    // Redis serves nobody yet: Kafka has them all the same.
    let records = world.records(&world.topic, expected.len()).await;
    let events = records.iter().map(|record| Event::from_json(record.payload().unwrap()).unwrap());
    assert!(events.map(|event| event.change).all(|change| matches!(change, Change::Switch(_, true))));
    stack::wait_for("all to be shipped", LIMIT, async || {
        let open = "SELECT COUNT(*) FROM outbox WHERE shipped = FALSE";
        Ok((sqlx::query_scalar::<_, i64>(open).fetch_one(&world.mysql).await? == 0).then_some(()))
    })
    .await
    .unwrap();

    let (_warm, _consume) = (world.start("warm"), world.start("consume"));
    world.warm().await;
    world.mysql_outbox_empty().await;
    assert_eq!(world.standing_in_redis(42..=42).await, expected);
    for (kind, user, article) in expected.iter().copied().take(5).collect::<Vec<_>>() {
        caller.toggled(kind, user, article, false).await;
        expected.remove(&(kind, user, article));
    }
    world.mysql_outbox_empty().await;
    assert_eq!(world.standing_in_redis(42..=42).await, expected);
    assert_eq!(world.standing().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_mysqls_outbox_that_is_no_event_goes_to_the_dead_letter_queue() {
    let world = World::new().await;
    let (_relay, _warm) = (world.start("relay"), world.start("warm"));
    world.warm().await;
    sqlx::query(
        "INSERT INTO outbox (p, kind, user_id, article_id, status, version_ms, cause, at_ms, request_id, ip_hash)
         VALUES (94, 99, 7, 42, 1, 1, 'user', 1, '', '')",
    )
    .execute(&world.mysql)
    .await
    .unwrap();
    world.caller().await.toggled(any_of(Truth::Mysql), 7, 42, true).await;
    world.mysql_outbox_empty().await;
    assert_eq!(world.records(&world.dlq_topic, 1).await.len(), 1);
    assert_eq!(world.records(&world.topic, 1).await.len(), 1, "what comes after it is shipped");
}
