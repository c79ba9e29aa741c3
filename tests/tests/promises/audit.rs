//! Who did what.

use std::collections::BTreeSet;

use contract::{Change, Event, Kind};

use crate::world::{World, event, record};

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_tells_who_did_what_when_and_from_where() {
    let world = World::new().await;
    let events: Vec<Event> = (0..3000)
        .map(|place| Event {
            ip_hash: format!("hash{}", place % 3),
            occurred_at: jiff::Timestamp::from_second(1_763_800_000 + i64::try_from(place).unwrap()).unwrap(),
            change: match event(place).change {
                // Of the kinds that MySQL decides too, which come from another outbox.
                Change::Switch(_, on) => {
                    Change::Switch(Kind::ALL[usize::try_from(place / 2).unwrap() % Kind::ALL.len()], on)
                }
                read @ Change::Read(_) => read,
            },
            ..event(place)
        })
        .collect();
    world.publish(events.iter().map(record)).await;
    let at = |place: usize| events[place].occurred_at.to_string();
    let expect = async |arguments: &[&str], admitted: &dyn Fn(&Event) -> bool| {
        let found = world.ask_json(&[&["audit", "--json"], arguments].concat()).await;
        let mut found: Vec<String> = found.iter().map(|event| event["version"].as_str().unwrap().to_owned()).collect();
        let mut expected: Vec<String> =
            events.iter().filter(|event| admitted(event)).map(|event| event.version.to_string()).collect();
        found.sort();
        expected.sort();
        assert!(!expected.is_empty());
        assert_eq!(found, expected, "{arguments:?}");
    };
    expect(&[], &|_| true).await;
    expect(&["--article", "7"], &|event| event.article.number().get() == 7).await;
    expect(&["--user", "3", "--user", "4"], &|event| {
        event.user.as_ref().is_some_and(|user| [3, 4].contains(&user.number().get()))
    })
    .await;
    expect(&["--ip-hash", "hash1", "--article", "7"], &|event| {
        event.ip_hash == "hash1" && event.article.number().get() == 7
    })
    .await;
    for kind in Kind::ALL {
        expect(&["--kind", kind.name()], &|event| matches!(event.change, Change::Switch(of, _) if of == *kind)).await;
        let (_, table) = world.ask(&["audit", "--kind", kind.name(), "--user", "3"]).await;
        let actions: BTreeSet<&str> = table.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
        let off = format!("un{kind}");
        assert_eq!(actions, BTreeSet::from(["ACTION", kind.name(), &off]), "{table}");
    }
    let (since, until) = (at(1000), at(1500));
    expect(&["--since", &since, "--until", &until], &|event| {
        event.occurred_at >= events[1000].occurred_at && event.occurred_at < events[1500].occurred_at
    })
    .await;

    let one = &world.ask_json(&["audit", "--json", "--since", &at(2999)]).await[0];
    assert_eq!(one["user_id"], events[2999].user.as_ref().unwrap().to_string());
    assert_eq!(one["article_id"], events[2999].article.to_string());
    assert_eq!(one["ip_hash"], "hash2");
    assert!(one["kafka_offset"].is_number() && one["occurred_at"].is_string() && one["type"].is_string());
    let (_, table) = world.ask(&["audit", "--since", &at(2999)]).await;
    assert!(table.contains("hash2") && table.contains("1 event"), "{table}");
}
