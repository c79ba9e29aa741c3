//! Ids that are names: what the stores keep, and that two names never count as one.

use contract::{ArticleId, Cause, Change, Event, Kind, Truth, UserId, Version, keys};
use rdkafka::Message as _;

use crate::world::{World, any_of, event, record};

const USER: &str = "auth0|507f1f77bcf86cd799439011";
const ARTICLE: &str = "how-to-like";

impl World {
    /// The table of names.
    async fn names(&self) -> Vec<(String, i64, String)> {
        let names = "SELECT CAST(kind AS CHAR), number, text FROM name ORDER BY 1, 2";
        sqlx::query_as(names).fetch_all(&self.mysql).await.unwrap()
    }

    /// Gives the number to another text, as a collision of hashes would.
    async fn occupy(&self, kind: &str, number: i64, text: &str) {
        let insert = "INSERT INTO name (kind, number, text) VALUES (?, ?, ?)";
        sqlx::query(insert).bind(kind).bind(number).bind(text).execute(&self.mysql).await.unwrap();
    }

    /// The events in Kafka, once there are `count`.
    async fn events_of(&self, count: usize) -> Vec<Event> {
        let records = self.records(&self.topic, count).await;
        records.iter().map(|record| Event::from_json(record.payload().unwrap()).unwrap()).collect()
    }
}

fn user() -> UserId {
    USER.parse().unwrap()
}

fn article() -> ArticleId {
    ARTICLE.parse().unwrap()
}

fn like(seq: u64, user: &str, article: &str) -> Event {
    Event {
        version: Version { ms: 1_763_800_000_000, seq },
        user: user.parse().ok(),
        article: article.parse().unwrap(),
        change: Change::Switch(any_of(Truth::Redis), true),
        ..event(1)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_costs_one_row_and_a_number_none() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    for kind in Kind::ALL.iter().copied() {
        for (user, article) in [(USER, ARTICLE), (USER, "42"), ("7", ARTICLE), ("7", "42")] {
            let (user, article) = (user.parse().unwrap(), article.parse().unwrap());
            assert_eq!(caller.toggle_of(kind, &user, &article, true, "0af7").await, Ok(()));
        }
    }
    world.settled().await;
    let expected = [
        ("article".to_owned(), article().number().get(), ARTICLE.to_owned()),
        ("user".to_owned(), user().number().get(), USER.to_owned()),
    ];
    assert_eq!(world.names().await, expected);
    let excluded = Kind::ALL.iter().map(|kind| kind.excludes().len()).sum::<usize>() / 2;
    let records = world.records(&world.topic, 4 * (Kind::ALL.len() + excluded)).await;
    let events: Vec<Event> =
        records.iter().map(|record| Event::from_json(record.payload().unwrap()).unwrap()).collect();
    let named = |event: &&Event| event.user.as_ref() == Some(&user()) && event.article == article();
    assert_eq!(events.iter().filter(named).count(), Kind::ALL.len() + excluded, "events have ids as they are written");
    for (record, event) in records.iter().zip(&events) {
        assert_eq!(record.key(), Some(event.article.to_string().as_bytes()), "the key is the article's id");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_names_of_one_number_are_found_and_the_second_goes_to_the_dead_letter_queue() {
    let world = World::new().await;
    world.occupy("user", user().number().get(), "somebody-else").await;
    world.occupy("article", article().number().get(), "something-else").await;
    let _consumer = world.start("consume");
    let (good, first, second) = (like(0, "7", "42"), like(1, USER, "42"), like(2, "7", ARTICLE));
    world.publish([&first, &second, &good].map(record)).await;
    world.consumed().await;
    let rows = world.tables().await.rows;
    assert_eq!(rows.iter().map(|row| (row.0, row.2)).collect::<Vec<_>>(), [(42, 7)], "the others are applied");
    assert_eq!(world.names().await.len(), 2, "the names stay as they were");
    let listed = world.ask_json(&["dlq", "list", "--json", "--reason", "id collision"]).await;
    assert_eq!(listed.len(), 2);
    for letter in &listed {
        let reason = letter["reason"].as_str().unwrap();
        assert!(
            ![USER, ARTICLE, "somebody-else", "something-else"].iter().any(|name| reason.contains(name)),
            "{reason}"
        );
    }
    // Commands do not take one user for the other either.
    assert_eq!(world.ask(&["export", "--user", USER]).await.0, 1);
    // MySQL refuses a change of a kind that it decides before it is acknowledged.
    let answer: (String, i64, i64, i64) =
        sqlx::query_as("CALL toggle(?, 1, ?, 42, 1, NULL, 'user', NULL, NULL, '', '', ?, NULL)")
            .bind(any_of(Truth::Mysql).code())
            .bind(user().number().get())
            .bind(USER)
            .fetch_one(&world.mysql)
            .await
            .unwrap();
    assert_eq!(answer, ("COLLISION".to_owned(), 0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_speak_of_ids_as_the_site_writes_them() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    for kind in Kind::ALL.iter().copied() {
        assert_eq!(caller.toggle_of(kind, &user(), &article(), true, "0af7").await, Ok(()));
    }
    world.settled().await;
    let last = Kind::ALL.iter().filter(|kind| kind.excludes().iter().all(|other| other < *kind)).count();

    let audited = world.ask_json(&["audit", "--user", USER, "--article", ARTICLE, "--json"]).await;
    assert!(audited.len() >= Kind::ALL.len());
    assert!(audited.iter().all(|line| line["user_id"] == USER && line["article_id"] == ARTICLE), "{audited:?}");

    // Make Redis lose a pair.
    let kind = any_of(Truth::Mysql);
    let mut redis = world.redis().await;
    let members = keys::members(kind, article().number());
    let () = redis::cmd("DEL")
        .arg(&members)
        .arg(keys::count(kind, article().number()))
        .query_async(&mut redis)
        .await
        .unwrap();
    let (code, out) = world.ask(&["reconcile", "--article", ARTICLE, "--repair", "--json"]).await;
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    let difference = &found["differences"][0];
    assert_eq!(
        (code, &difference["article_id"], &difference["user_id"]),
        (0, &ARTICLE.into(), &USER.into()),
        "{found}"
    );
    assert_eq!(world.members(kind, article().number()).await, [user().number().get()]);

    let revoked = world.ask_json(&["revoke", "--user", USER, "--execute", "--bar", "--json"]).await;
    let undone = revoked.iter().filter(|line| line["outcome"] == "undone");
    assert_eq!(
        undone.filter(|line| line["user_id"] == USER && line["article_id"] == ARTICLE).count(),
        last,
        "{revoked:?}"
    );
    world.settled().await;
    let events = world.events_of(1).await;
    for event in events.iter().filter(|event| event.cause != Cause::User) {
        assert_eq!((event.user.as_ref(), &event.article), (Some(&user()), &article()), "{event:?}");
    }
    let bars = world.ask_json(&["bars", "list", "--json"]).await;
    assert_eq!(bars[0]["user_id"], USER);
    assert_eq!(world.ask(&["bars", "lift", "--user", USER]).await.0, 0);
    assert_eq!(caller.toggle_of(any_of(Truth::Redis), &user(), &article(), true, "0af7").await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_users_name_is_gone_and_the_log_says_who_was_erased() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    let kinds = [any_of(Truth::Redis), any_of(Truth::Mysql)];
    for kind in kinds {
        assert_eq!(caller.toggle_of(kind, &user(), &article(), true, "0af7").await, Ok(()));
    }
    world.settled().await;
    let erased = &world.ask_json(&["erase", "--user", USER, "--json"]).await[0];
    assert_eq!(erased["user_id"], USER);
    world.settled().await;
    let names = world.names().await;
    assert!(names.iter().all(|(_, _, text)| text == ARTICLE), "{names:?}");
    let events = world.events_of(4).await;
    let erased: Vec<_> = events.iter().filter(|event| event.cause == Cause::Erase).collect();
    assert_eq!(erased.len(), kinds.len());
    assert!(
        erased.iter().all(|event| event.user.as_ref() == Some(&user()) && event.article == article()),
        "{erased:?}"
    );
    // A revoke bars the users that the log names. It does not write down the erased user again.
    assert_eq!(world.ask(&["revoke", "--article", ARTICLE, "--execute", "--bar"]).await.0, 0);
    assert_eq!(world.ask_json(&["bars", "list", "--json"]).await.len(), 0);
    // Deliver all events again: the name does not come back.
    world.publish(events.iter().map(record)).await;
    world.consumed().await;
    assert_eq!(world.names().await, names);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_whose_text_nobody_knows_is_spoken_of_by_its_number() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    let kind = any_of(Truth::Redis);
    assert_eq!(caller.toggle_of(kind, &user(), &article(), true, "0af7").await, Ok(()));
    world.settled().await;
    sqlx::query("DELETE FROM name").execute(&world.mysql).await.unwrap();
    sqlx::query("UPDATE interaction SET status = 0").execute(&world.mysql).await.unwrap();
    let unknown = format!("#{}", article().number());
    let (_, out) = world.ask(&["reconcile", "--article", &unknown, "--repair", "--json"]).await;
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["differences"][0]["article_id"], unknown, "{found}");
    assert_eq!(found["remaining"], 0, "{found}");
    world.settled().await;
    assert_eq!(world.standing().await.len(), 1);
    assert_eq!(world.names().await, [], "a number alone brings no name back");
}
