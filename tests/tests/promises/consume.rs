//! From Kafka to MySQL.

use contract::{Change, Event, Truth};
use jiff::Timestamp;
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use rdkafka::message::{Headers as _, Message as _};
use stack::{Proxy, wait_for};

use crate::world::{LIMIT, World, any_of, event, record};

#[tokio::test(flavor = "multi_thread")]
async fn redelivery_of_all_events_in_any_order_changes_nothing() {
    let world = World::new().await;
    let _consumer = world.start("consume");
    let mut events: Vec<Event> = (0..5000).map(event).collect();
    world.publish(events.iter().map(record)).await;
    world.consumed().await;
    let once = world.tables().await;
    assert!(once.rows.len() > 1000 && once.user_reads.len() > 300, "{} {}", once.rows.len(), once.user_reads.len());
    once.assert_counts();

    for seed in 0..3 {
        events.shuffle(&mut StdRng::seed_from_u64(seed));
        world.publish(events.iter().map(record)).await;
    }
    world.consumed().await;
    assert_eq!(world.tables().await, once);
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_come_and_are_killed_keep_the_counts_right() {
    let world = World::new().await;
    let mut first = world.start("consume");
    let mut second = world.start("consume");
    for round in 0..4_u64 {
        world.publish((round * 5000..(round + 1) * 5000).map(|place| record(&event(place)))).await;
        let killed = if round % 2 == 0 { &mut first } else { &mut second };
        killed.kill().await.unwrap();
        *killed = world.start("consume");
    }
    world.consumed().await;
    let tables = world.tables().await;
    tables.assert_counts();
    let newest = tables.rows.iter().map(|row| (row.4, row.5)).max().unwrap();
    let expected = (0..20_000).map(event).filter(|event| matches!(event.change, Change::Switch(..)));
    let expected = expected.map(|event| event.version).max().unwrap();
    assert_eq!((newest.0.cast_unsigned(), newest.1.cast_unsigned()), (expected.ms, expected.seq));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_goes_to_the_dead_letter_queue_and_the_others_are_applied() {
    let world = World::new().await;
    let _consumer = world.start("consume");
    let good: Vec<Event> = (0..1000).map(event).collect();
    let article = &good[0].article;
    // This event is well formed, but MySQL's DATETIME cannot hold its time.
    let mut ancient = event(2000);
    ancient.occurred_at = "-000044-03-15T00:00:00Z".parse::<Timestamp>().unwrap();
    ancient.change = Change::Switch(any_of(Truth::Redis), true);
    let mut records: Vec<_> = good.iter().map(record).collect();
    records.insert(500, record(&ancient));
    records.insert(300, (article.clone(), b"nonsense".to_vec()));
    records.insert(200, (article.clone(), br#"{"v":2}"#.to_vec()));
    // Larger than what a producer sends by itself.
    records.insert(100, (article.clone(), vec![b'x'; 1_000_100]));
    // The decoder's error quotes all of it.
    records.insert(50, (article.clone(), format!("\"{}\"", "\u{e4}".repeat(300_000)).into_bytes()));
    world.publish(records).await;
    world.consumed().await;

    world.tables().await.assert_counts();
    let newest = good.iter().map(|event| event.version.ms).max();
    let seen: i64 =
        sqlx::query_scalar("SELECT MAX(version_ms) FROM partition_state").fetch_one(&world.mysql).await.unwrap();
    assert!(newest <= Some(seen.cast_unsigned()));

    let dead = world.records(&world.dlq_topic, 5).await;
    let mut reasons: Vec<String> = dead
        .iter()
        .map(|message| {
            let headers = message.headers().unwrap();
            assert!(headers.iter().any(|header| header.key == "offset"), "the original offset is in a header");
            String::from_utf8(headers.iter().find(|header| header.key == "reason").unwrap().value.unwrap().to_vec())
                .unwrap()
        })
        .collect();
    reasons.sort();
    assert_eq!(dead.len(), 5, "{reasons:?}");
    assert!(reasons.iter().all(|reason| reason.len() <= 1000), "{reasons:?}");
    let cut = dead.iter().find(|message| message.payload().is_some_and(|bytes| bytes.starts_with(b"xx"))).unwrap();
    let size =
        cut.headers().unwrap().iter().find(|header| header.key == "cut_from_bytes").and_then(|header| header.value);
    assert_eq!((cut.payload().map(<[u8]>::len), size), (Some(900_000), Some(&b"1000100"[..])));
    assert!(reasons.iter().any(|reason| reason.starts_with("malformed event")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.starts_with("unknown event format v=2")), "{reasons:?}");
    assert!(dead.iter().any(|message| message.payload() == Some(&ancient.to_json()[..])), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_machine_vanishes_leaves_no_locks_for_long() {
    let world = World::new().await;
    let way = Proxy::to(world.mariadb.port()).unwrap();
    let mut vanishing = world.command(&["consume"]).env("INTERACTION_MYSQL_URL", world.mysql_by(&way)).spawn().unwrap();
    let free = "SELECT p FROM partition_state FOR UPDATE SKIP LOCKED";
    let mut first = 0;
    wait_for("a transaction that is cut off", LIMIT, async || {
        world.publish((first..first + 5000).map(|place| record(&event(place)))).await;
        first += 5000;
        way.hold();
        // By the second look, everything that was on its way to the server has arrived.
        for _ in 0..2 {
            if sqlx::query(free).fetch_all(&world.mysql).await?.len() == 128 {
                way.release();
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await
    .unwrap();
    vanishing.kill().await.unwrap();
    let _consumer = world.start("consume");
    world.consumed().await;
    world.tables().await.assert_counts();
}

/// A server that is too slow for a large batch would begin it again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_mysql_does_not_end_in_time_is_applied_in_parts() {
    let world = World::new().await;
    let switch = |user: i64| Event {
        user: user.to_string().parse().ok(),
        article: "1".parse().unwrap(),
        change: Change::Switch(any_of(Truth::Redis), true),
        ..event(4)
    };
    let users = async || -> anyhow::Result<Vec<i64>> {
        Ok(sqlx::query_scalar("SELECT user_id FROM interaction ORDER BY user_id").fetch_all(&world.mysql).await?)
    };
    let mut consumer = world.start("consume");
    world.publish([record(&switch(1))]).await;
    wait_for("a row", LIMIT, async || Ok((users().await? == [1]).then_some(()))).await.unwrap();
    consumer.kill().await.unwrap();
    // Whatever would write this row waits for longer than a consumer does.
    let mut locker = world.mysql.begin().await.unwrap();
    sqlx::query("SELECT * FROM interaction WHERE article_id = 1 AND kind = ? AND user_id = 1 FOR UPDATE")
        .bind(any_of(Truth::Redis).code())
        .fetch_all(&mut *locker)
        .await
        .unwrap();
    let again = Event { version: event(8).version, ..switch(1) };
    world.publish([switch(2), again].iter().map(record)).await;
    let _consumer = world.start("consume");
    wait_for("the other", 2 * LIMIT, async || Ok((users().await? == [1, 2]).then_some(()))).await.unwrap();
    locker.rollback().await.unwrap();
    world.consumed().await;
    world.tables().await.assert_counts();
}
