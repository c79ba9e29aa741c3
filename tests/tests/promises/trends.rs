//! The rankings of what gained most lately, counted from the events.

use std::collections::BTreeMap;

use contract::{ArticleNumber, Cause, Change, Event, Kind, Partition, Truth, Version, keys};
use jiff::Timestamp;
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use rdkafka::{
    Message as _,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    producer::{FutureRecord, Producer as _},
};
use stack::wait_for;

use crate::world::{LIMIT, World, any_of, event, place_of, record, signal};

const HOUR_MS: u64 = 3_600_000;

fn now_ms() -> u64 {
    Timestamp::now().as_millisecond().unsigned_abs()
}

/// How much each article gained, for each kind, the highest first.
type Ranked = BTreeMap<Kind, Vec<(i64, i64)>>;

/// Changes of all kinds in the last minutes, as outboxes have them: the versions of each outbox grow, and few of the changes
/// are of the same article.
fn changes(first: u64, count: u64) -> Vec<Event> {
    let (mut all, now) = (vec![], now_ms());
    for place in first.. {
        let change = event(place);
        if let Change::Switch(_, on) = change.change {
            let kind = Kind::ALL[usize::try_from(place / 2).unwrap() % Kind::ALL.len()];
            let version = Version { ms: now - 300_000 + place, seq: place % 4 };
            all.push(Event { version, change: Change::Switch(kind, on), ..change });
        }
        if all.len() as u64 == count {
            break;
        }
    }
    all
}

fn ranked<'a>(events: impl IntoIterator<Item = &'a Event>) -> Ranked {
    let mut sums: BTreeMap<Kind, BTreeMap<i64, i64>> = BTreeMap::new();
    for event in events {
        let Change::Switch(kind, on) = event.change else { panic!("{event:?}") };
        *sums.entry(kind).or_default().entry(event.article.number().get()).or_default() += if on { 1 } else { -1 };
    }
    let mut all = Ranked::new();
    for (kind, sums) in sums {
        let mut gained: Vec<_> = sums.into_iter().filter(|(_, gained)| *gained > 0).collect();
        gained.sort_by_key(|(_, gained)| -gained);
        all.insert(kind, gained);
    }
    all
}

impl World {
    /// Waits until every event that is in Kafka now is counted.
    pub(crate) async fn counted(&self) {
        let now = Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
        wait_for("a ranking of now", LIMIT, async || {
            let known: Option<bool> =
                sqlx::query_scalar("SELECT as_of > CAST(? AS DATETIME(3)) FROM trends WHERE kind = 0")
                    .bind(&now)
                    .fetch_optional(&self.mysql)
                    .await
                    .map(Option::flatten)?;
            Ok((known == Some(true)).then_some(()))
        })
        .await
        .unwrap();
    }

    /// The rankings of the hour and of the day, once every event that is in Kafka now is counted.
    async fn rankings(&self) -> [Ranked; 2] {
        self.counted().await;
        let mut both = [Ranked::new(), Ranked::new()];
        for (span, ranking) in ["hour", "day"].into_iter().zip(&mut both) {
            let rows = "SELECT kind, article_id, gained FROM ranking WHERE span = ? ORDER BY kind, place";
            let rows: Vec<(u8, i64, i64)> = sqlx::query_as(rows).bind(span).fetch_all(&self.mysql).await.unwrap();
            for (kind, article, gained) in rows {
                ranking.entry(Kind::from_code(kind).unwrap()).or_default().push((article, gained));
            }
        }
        both
    }

    /// Writes events whose records look `ago_ms` old. A job that starts without a checkpoint does not read very old ones.
    async fn publish_as_of(&self, events: &[Event], ago_ms: u64) {
        let producer = self.kafka_producer();
        let at = (now_ms() - ago_ms).cast_signed();
        for event in events {
            let (key, bytes) = (event.article.to_string(), event.to_json());
            let to = i32::from(Partition::of(event.article.number()).get()) % 16;
            let record = FutureRecord::to(&self.topic).partition(to).timestamp(at).key(&key).payload(&bytes);
            producer.send_result(record).map_err(|(error, _)| error).unwrap().await.unwrap().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redelivered_and_out_of_order_each_change_is_counted_once() {
    let world = World::new().await;
    let _trends = world.start("trends");
    let mut events = changes(0, 5000);
    let expected = ranked(&events);
    assert!(expected.len() == Kind::ALL.len() && expected.values().all(|of| of.len() > 10), "{expected:?}");
    // Out of order, as several relays at once may write them.
    for some in events.chunks_mut(200) {
        some.shuffle(&mut StdRng::seed_from_u64(7));
    }
    world.publish(events.iter().map(record)).await;
    assert_eq!(world.rankings().await, [expected.clone(), expected.clone()]);

    for seed in 0..3 {
        events.shuffle(&mut StdRng::seed_from_u64(seed));
        world.publish(events.iter().map(record)).await;
    }
    assert_eq!(world.rankings().await, [expected.clone(), expected.clone()]);

    // A second process counts the same. The event's own time decides where it counts, not the record's.
    let _second = world.start("trends");
    let old = |hours: u64, events: &[Event]| -> Vec<Event> {
        let earlier = |event: &Event| Event {
            version: Version { ms: event.version.ms - hours * HOUR_MS, ..event.version },
            ..event.clone()
        };
        events.iter().map(earlier).collect()
    };
    // The older events are of other articles each, because the versions of one outbox never go back.
    let article = |id: i64| ArticleNumber::try_from(id).unwrap();
    let on = |id: i64| -> Vec<Event> {
        let one = |(place, kind): (usize, &Kind)| Event {
            version: Version { seq: place as u64, ..events[0].version },
            article: id.to_string().parse().unwrap(),
            change: Change::Switch(*kind, true),
            ..events[0].clone()
        };
        Kind::ALL.iter().enumerate().map(one).collect()
    };
    let fresh: Vec<i64> = (1000..).filter(|id| unused(&events, article(*id))).take(2).collect();
    let (of_today, of_before) = (old(2, &on(fresh[0])), old(26, &on(fresh[1])));
    world.publish(of_today.iter().chain(&of_before).map(record)).await;
    let [hour, day] = world.rankings().await;
    assert_eq!(hour, expected);
    for (kind, of_day) in day {
        assert!(of_day.contains(&(fresh[0], 1)) && of_day.len() == expected[&kind].len() + 1, "{kind}: {of_day:?}");
    }
}

/// Whether no event is in the article's partition.
fn unused(events: &[Event], article: ArticleNumber) -> bool {
    events.iter().all(|event| Partition::of(event.article.number()) != Partition::of(article))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_job_goes_on_from_its_checkpoint_and_misses_and_repeats_nothing() {
    let world = World::new().await;
    let mut trends = world.start("trends");
    assert_eq!(world.rankings().await, [Ranked::new(), Ranked::new()]);
    // These records are so old that a job without a checkpoint would not read them. So only the checkpoint can have them.
    let mut events = changes(0, 500);
    world.publish_as_of(&events, 200 * HOUR_MS).await;
    let expected = ranked(&events);
    assert_eq!(world.rankings().await, [expected.clone(), expected]);

    let mut first = 1000;
    for round in 0..4_u64 {
        let more = changes(first, 4000);
        first += 10_000;
        world.publish(more[..2000].iter().map(record)).await;
        if round % 2 == 1 {
            // In every other round, wait until the checkpoint has what was read.
            world.rankings().await;
        }
        trends.kill().await.unwrap();
        world.publish(more[2000..].iter().map(record)).await;
        events.extend(more);
        trends = world.start("trends");
    }
    let expected = ranked(&events);
    assert_eq!(world.rankings().await, [expected.clone(), expected.clone()]);

    // A job that is stopped writes a checkpoint first.
    let more = changes(first, 100);
    world.publish(more.iter().map(record)).await;
    events.extend(more);
    signal("TERM", &trends);
    assert!(trends.wait().await.unwrap().success());
    let _trends = world.start("trends");
    let expected = ranked(&events);
    assert_eq!(world.rankings().await, [expected.clone(), expected]);
}

/// A like of each of these articles, in the order of their versions.
fn likes(first: u64, articles: impl Iterator<Item = i64>) -> Vec<Event> {
    let before = now_ms() - 300_000;
    let like = |(place, article): (u64, i64)| Event {
        version: Version { ms: before + place, seq: 0 },
        article: article.to_string().parse().unwrap(),
        change: Change::Switch(any_of(Truth::Redis), true),
        ..event(place)
    };
    (first..).zip(articles).map(like).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_state_is_written_less_often_than_the_ranking_and_nothing_is_counted_twice_for_it() {
    const ARTICLES: u64 = 8000;
    const FIRST: i64 = 1_000_000_000_000_000_000;
    const HOT: i64 = 7;
    let world = World::new().await;
    let mut trends = world.start("trends");
    world.counted().await;
    world.publish(likes(0, (FIRST..).take(8000)).iter().map(record)).await;
    world.counted().await;
    let mut last: Option<(i64, i64)> = None;
    wait_for("a ranking that is newer than the state", LIMIT, async || {
        let written = "SELECT writes, CAST(1000 * UNIX_TIMESTAMP(as_of) AS SIGNED) FROM trends WHERE kind = 0";
        let now: (i64, i64) = sqlx::query_as(written).fetch_one(&world.mysql).await?;
        let before = last.replace(now);
        Ok(before.filter(|before| before.0 == now.0 && before.1 < now.1).map(drop))
    })
    .await
    .unwrap();

    // The next process does not know all that the ranking has, and counts it again.
    world.publish(likes(ARTICLES, std::iter::repeat_n(HOT, 3)).iter().map(record)).await;
    world.counted().await;
    trends.kill().await.unwrap();
    let _trends = world.start("trends");
    world.publish(likes(ARTICLES + 3, std::iter::repeat_n(HOT, 2)).iter().map(record)).await;
    let [hour, _] = world.rankings().await;
    let of_likes = &hour[&any_of(Truth::Redis)];
    assert_eq!(of_likes[..2], [(HOT, 5), (FIRST, 1)]);
    wait_for("the history", LIMIT, async || {
        let sql = "SELECT CAST(SUM(gained) AS SIGNED), CAST(SUM(IF(article_id = ?, gained, 0)) AS SIGNED) FROM history";
        let gained: (Option<i64>, Option<i64>) = sqlx::query_as(sql).bind(HOT).fetch_one(&world.mysql).await?;
        Ok((gained == (Some(8005), Some(5))).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_goes_on_after_an_outage_and_when_the_partitions_change() {
    let world = World::new().await;
    let _trends = world.start("trends");
    let mut events = changes(0, 1000);
    world.publish(events.iter().map(record)).await;
    let expected = ranked(&events);
    assert_eq!(world.rankings().await, [expected.clone(), expected]);

    world.mariadb.kill().await.unwrap();
    let more = changes(10_000, 1000);
    world.publish(more.iter().map(record)).await;
    events.extend(more);
    world.mariadb.start().await.unwrap();
    let expected = ranked(&events);
    assert_eq!(world.rankings().await, [expected.clone(), expected]);

    let admin: AdminClient<DefaultClientContext> = world.kafka_client().create().unwrap();
    let grown = admin.create_partitions(&[NewPartitions::new(&world.topic, 17)], &AdminOptions::new()).await;
    assert!(grown.unwrap().iter().all(Result::is_ok));
    let producer = world.kafka_producer();
    wait_for("the new partition", LIMIT, async || {
        let topic = producer.client().fetch_metadata(Some(&world.topic), LIMIT)?;
        Ok((topic.topics()[0].partitions().len() == 17).then_some(()))
    })
    .await
    .unwrap();
    let more = changes(20_000, 100);
    for event in &more {
        let (key, bytes) = (event.article.to_string(), event.to_json());
        let record = FutureRecord::to(&world.topic).partition(16).key(&key).payload(&bytes);
        producer.send_result(record).map_err(|(error, _)| error).unwrap().await.unwrap().unwrap();
    }
    events.extend(more);
    let expected = ranked(&events);
    assert_eq!(world.rankings().await, [expected.clone(), expected]);

    // The topic is deleted and created again. Counted events stay counted, and are not counted twice.
    admin.delete_topics(&[&world.topic], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    wait_for("another topic", LIMIT, async || {
        let topic = NewTopic::new(&world.topic, 16, TopicReplication::Fixed(1));
        Ok(admin.create_topics(&[topic], &AdminOptions::new()).await?[0].is_ok().then_some(()))
    })
    .await
    .unwrap();
    let more = changes(30_000, 100);
    world.publish(events[..50].iter().chain(&more).map(record)).await;
    events.extend(more);
    let expected = ranked(&events);
    assert_eq!(world.rankings().await, [expected.clone(), expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_leaves_the_ranking_and_a_repair_adds_nothing() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    let each = |gained: i64| {
        let all: Ranked = Kind::ALL.iter().map(|kind| (*kind, vec![(42 + place_of(*kind), gained)])).collect();
        [all.clone(), all]
    };
    for kind in Kind::ALL.iter().copied() {
        for user in 1..=10 {
            let address = if user > 7 { "bad" } else { "good" };
            assert_eq!(caller.toggle(kind, user, 42 + place_of(kind), true, address).await, Ok(()));
        }
    }
    world.settled().await;
    assert_eq!(world.rankings().await, each(10));
    assert_eq!(world.ask(&["revoke", "--ip-hash", "bad", "--execute"]).await.0, 0);
    world.settled().await;
    assert_eq!(world.rankings().await, each(7));

    // Make the store that follows lose one pair of each kind. The repair sends the pairs again.
    for kind in Kind::ALL.iter().copied() {
        if kind.truth() == Truth::Redis {
            let delete = sqlx::query("DELETE FROM interaction WHERE user_id = 1 AND kind = ?").bind(kind.code());
            delete.execute(&world.mysql).await.unwrap();
        } else {
            let members = keys::members(kind, ArticleNumber::try_from(42 + place_of(kind)).unwrap());
            redis::cmd("SREM").arg(members).arg(1).exec_async(&mut world.redis().await).await.unwrap();
        }
    }
    assert_eq!(world.ask(&["reconcile", "--repair"]).await.0, 0);
    world.settled().await;
    let said_again = world.records(&world.topic, 14 * Kind::ALL.len()).await;
    let causes = said_again.iter().map(|record| Event::from_json(record.payload().unwrap()).unwrap().cause);
    assert_eq!(causes.filter(|cause| *cause == Cause::Reconcile).count(), Kind::ALL.len());
    assert_eq!(world.rankings().await, each(7));
}
