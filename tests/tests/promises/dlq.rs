//! The dead-letter queue, as operators see it.

use contract::{Change, Event, Kind, Truth};
use rdkafka::{
    Message as _,
    message::{Header, OwnedHeaders},
    producer::FutureRecord,
};

use crate::world::{World, event};

impl World {
    pub(crate) async fn bury(&self, payload: &[u8], headers: &[(&str, &str)]) {
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        let record = FutureRecord::<str, [u8]>::to(&self.dlq_topic).payload(payload).headers(headers);
        self.kafka_producer().send_result(record).unwrap().await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_buried_is_listed_and_put_back_once_where_it_belongs() {
    let world = World::new().await;
    let switches: Vec<Event> =
        (0..100).map(event).filter(|event| matches!(event.change, Change::Switch(_, true))).collect();
    let from = [("topic", "interaction.events"), ("partition", "3"), ("offset", "77")];
    world.bury(b"nonsense \x1b[2J", &[&[("reason", "malformed event: at line 1")], &from[..]].concat()).await;
    world.bury(&switches[0].to_json(), &[&[("reason", "MySQL refuses a value")], &from[..]].concat()).await;
    let fields = r#"{"type":"like","user_id":"7","article_id":"42","status":"1","cause":"user","at":"1763800000000"}"#;
    let entry = [("reason", "outbox entry: unknown type"), ("stream", "{94}:outbox"), ("id", "1763800000000-5")];
    world.bury(fields.as_bytes(), &entry).await;

    let listed = world.ask_json(&["dlq", "list", "--json"]).await;
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0]["reason"], "malformed event: at line 1");
    assert_eq!((&listed[0]["original_partition"], &listed[0]["original_offset"]), (&"3".into(), &"77".into()));
    assert_eq!(listed[2]["original_id"], "1763800000000-5");
    assert!(listed.iter().all(|letter| letter["replayed"] == false && letter["at"].is_string()), "{listed:?}");
    assert_eq!(world.ask_json(&["dlq", "list", "--json", "--limit", "1"]).await.len(), 1);
    assert_eq!(world.ask_json(&["dlq", "list", "--json", "--reason", "outbox"]).await.len(), 1);
    let (_, table) = world.ask(&["dlq", "list"]).await;
    assert!(table.contains("interaction.events/3/77") && !table.contains('\x1b'), "{table}");

    let (code, output) = world.ask(&["dlq", "replay", "--dry-run"]).await;
    assert!(code == 0 && output.contains("2 would be put back"), "{output}");
    assert_eq!(world.ask(&["dlq", "replay"]).await.0, 1, "while a partition is cold, a rebuild might miss the letter");
    let _warm = world.start("warm");
    world.warm().await;
    let (code, output) = world.ask(&["dlq", "replay", "--from", "2", "--to", "2"]).await;
    assert!(code == 0 && output.contains("1 put back, 0 had been put back before, 0 stay"), "{output}");
    let (code, output) = world.ask(&["dlq", "replay"]).await;
    assert!(code == 0 && output.contains("1 put back, 1 had been put back before, 1 stay"), "{output}");
    let (code, output) = world.ask(&["dlq", "replay"]).await;
    assert!(code == 0 && output.contains("0 put back, 2 had been put back before, 1 stay"), "{output}");

    let records = world.records(&world.topic, 2).await;
    assert_eq!(records.len(), 2, "each is put back once");
    for record in &records {
        let event = Event::from_json(record.payload().unwrap()).unwrap();
        let partition = i32::from(contract::Partition::of(event.article.number()).get()) % 16;
        assert_eq!(record.partition(), partition);
        assert_eq!(record.key().unwrap(), event.article.to_string().as_bytes());
        assert!(event == switches[0] || event.version.to_string() == "1763800000000-5");
    }
    let _consumer = world.start("consume");
    world.consumed().await;
    let tables = world.tables().await;
    assert_eq!(tables.rows.len(), 2);
    tables.assert_counts();
    let listed = world.ask_json(&["dlq", "list", "--json"]).await;
    let replayed: Vec<_> = listed.iter().map(|letter| letter["replayed"].as_bool().unwrap()).collect();
    assert_eq!(replayed, [false, true, true]);

    // A change that a rebuild of Redis lost stays out of MySQL too, if Redis decides its kind. A replica that took over still
    // has the change, so then it is put back.
    let (mut before, mut stay) = (2, 1);
    for (place, (reason, lost)) in [("a replica has taken over", false), ("a test", true)].into_iter().enumerate() {
        sqlx::query(
            "INSERT INTO rebuild (noticed_ms, took_ms, reason, partitions, members, articles, lost_of, lost_waiting)
             VALUES (1763800000002, 1, ?, 128, 0, 0, 128, 0)",
        )
        .bind(reason)
        .execute(&world.mysql)
        .await
        .unwrap();
        for kind in Kind::ALL.iter().copied() {
            let version = format!("176380000000{}-0", place + 1).parse().unwrap();
            let later = Event { version, change: Change::Switch(kind, true), ..switches[0].clone() };
            world.bury(&later.to_json(), &[("reason", "a test")]).await;
            let stays = lost && kind.truth() == Truth::Redis;
            let (code, output) = world.ask(&["dlq", "replay"]).await;
            let counts = format!(
                "{} put back, {before} had been put back before, {} stay",
                u8::from(!stays),
                stay + u8::from(stays)
            );
            assert!(code == 0 && output.contains(&counts), "{counts}: {output}");
            before += u8::from(!stays);
            stay += u8::from(stays);
            let is_named = output.contains(&format!("since Redis has been rebuilt without it: {kind} of article"));
            assert_eq!(is_named, stays, "{output}");
        }
    }
}
