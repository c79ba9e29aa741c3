//! A topic that gets more partitions.

use std::time::{Duration, Instant};

use contract::{ArticleNumber, Change, Event, Partition, Truth};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewPartitions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    producer::FutureRecord,
};
use stack::wait_for;

use crate::world::{LIMIT, World, any_of, event};

const BEFORE: i32 = 16;
const AFTER: i32 = 32;
/// For consumers, and for producers.
const NOTICED: Duration = Duration::from_secs(10);

/// Where the topic has a partition of the event's article, once it has grown.
fn to(article: i64) -> i32 {
    i32::from(Partition::of(ArticleNumber::try_from(article).unwrap()).get()) % AFTER
}

#[tokio::test(flavor = "multi_thread")]
async fn new_partitions_of_the_topic_are_written_and_read_within_ten_seconds() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let kind = any_of(Truth::Redis);
    let switch = |user: i64, article: i64| Event {
        user: user.to_string().parse().ok(),
        article: article.to_string().parse().unwrap(),
        change: Change::Switch(kind, true),
        ..event(1)
    };
    let stored = async |user: i64, article: i64| {
        let row = "SELECT EXISTS (SELECT 1 FROM interaction WHERE user_id = ? AND article_id = ?)";
        anyhow::Ok(sqlx::query_scalar::<_, bool>(row).bind(user).bind(article).fetch_one(&world.mysql).await?)
    };
    // The one that a relay writes, and the one that only a consumer has to notice.
    let written = (1..1000).find(|article| to(*article) >= BEFORE).unwrap();
    let read = (1..1000).find(|article| to(*article) >= BEFORE && to(*article) != to(written)).unwrap();
    world.append(&[switch(1, written)]).await;
    wait_for("all jobs to work", LIMIT, async || Ok(stored(1, written).await?.then_some(()))).await.unwrap();

    let admin: AdminClient<DefaultClientContext> = world.kafka_client().create().unwrap();
    let grown = admin
        .create_partitions([&NewPartitions::new(&world.topic, usize::try_from(AFTER).unwrap())], &AdminOptions::new())
        .await
        .unwrap();
    assert!(grown.iter().all(Result::is_ok), "{grown:?}");
    let began = Instant::now();
    let (event, producer) = (switch(2, read).to_json(), world.kafka_producer());
    wait_for("the broker to know of them", LIMIT, async || {
        let key = read.to_string();
        let sent =
            producer.send(FutureRecord::to(&world.topic).partition(to(read)).key(&key).payload(&event), LIMIT).await;
        Ok(sent.is_ok().then_some(()))
    })
    .await
    .unwrap();
    wait_for("the consumers", LIMIT, async || Ok(stored(2, read).await?.then_some(()))).await.unwrap();
    let by_consumers = began.elapsed();

    let observer: BaseConsumer = world.kafka_reader().create().unwrap();
    wait_for("the relay", LIMIT, async || {
        world.append(&[switch(3, written)]).await;
        let (_, next) = observer.fetch_watermarks(&world.topic, to(written), LIMIT)?;
        Ok((next > 0).then_some(()))
    })
    .await
    .unwrap();
    let by_relay = began.elapsed();
    println!("consumers after {by_consumers:?}, the relay after {by_relay:?}");
    assert!(by_consumers < NOTICED && by_relay < NOTICED, "{by_consumers:?}, {by_relay:?}");
}
