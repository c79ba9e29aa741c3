//! From Redis to Kafka.

use std::collections::BTreeSet;

use contract::{Change, Event, Partition, keys};
use rdkafka::message::{Headers as _, Message as _};

use crate::world::{World, event};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_relay_is_replaced_and_nothing_is_lost() {
    let world = World::new().await;
    let likes: Vec<Event> = (0..40_000).map(event).filter(|event| matches!(event.change, Change::Like(_))).collect();
    for some in likes.chunks(likes.len() / 3 + 1) {
        world.append(some).await;
        let mut relay = world.start("relay");
        // It has begun, and has more in hand.
        world.outboxes_at_most(some.len() as u64 - 1).await;
        relay.kill().await.unwrap();
    }
    let _relay = world.start("relay");
    world.outboxes_empty().await;
    let records = world.records("interaction.events", likes.len()).await;
    let versions: BTreeSet<_> = records
        .iter()
        .map(|record| Event::from_json(record.payload().unwrap()).unwrap())
        .map(|event| (event.article, event.version))
        .collect();
    assert_eq!(versions.len(), likes.len(), "each entry is there, though some may be there twice");
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
    let dead = world.records("interaction.events.dlq", 1).await;
    let headers = dead[0].headers().unwrap();
    let header = |key: &str| headers.iter().find(|header| header.key == key).and_then(|header| header.value);
    assert_eq!(header("stream"), Some(stream.as_bytes()));
    assert_eq!(header("id"), Some(id.as_bytes()));
    assert!(header("reason").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collect_reaches_kafka_and_leaves_its_outbox() {
    let world = World::new().await;
    let _relay = world.start("relay");
    for user in 1..=20 {
        sqlx::query("CALL collect(?, 42, 1, NULL, 'r', 'h')").bind(user).execute(&world.mysql).await.unwrap();
    }
    let records = world.records("interaction.events", 20).await;
    let events = records.iter().map(|record| Event::from_json(record.payload().unwrap()).unwrap());
    assert!(events.map(|event| event.change).all(|change| change == Change::Collect(true)));
    stack::wait_for("an empty collect_outbox", crate::world::LIMIT, async || {
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM collect_outbox").fetch_one(&world.mysql).await?;
        Ok((left == 0).then_some(()))
    })
    .await
    .unwrap();
}
