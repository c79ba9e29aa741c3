//! Bringing Redis back.

use std::{
    fs::{File, read_to_string},
    path::Path,
    time::{Duration, Instant},
};

use contract::{ArticleNumber, Change, Event, Kind, Partition, Truth, keys};
use redis::AsyncCommands;
use stack::{Proxy, wait_for};

use crate::{
    bars::set_of,
    world::{LIMIT, World, any_of, event, record},
};

impl World {
    /// What an older file comes back with: the outboxes' last ids are from before, and so is the marker.
    pub(crate) async fn make_older(&self) {
        let mut older = redis::pipe();
        for partition in Partition::all() {
            let outbox = keys::outbox(partition);
            older.cmd("DEL").arg(&outbox).ignore();
            older.cmd("XGROUP").arg("CREATE").arg(&outbox).arg("relay").arg("0").arg("MKSTREAM").ignore();
            older.cmd("HSET").arg(keys::warm(partition)).arg("run_id").arg("the one before").ignore();
        }
        older.atomic().exec_async(&mut self.redis().await).await.unwrap();
    }

    /// Waits until the server that answers now is warm in all partitions; the epoch.
    pub(crate) async fn warm(&self) -> u64 {
        self.warm_within(LIMIT).await
    }

    /// The same, with more patience.
    pub(crate) async fn warm_within(&self, limit: Duration) -> u64 {
        wait_for("a warm Redis", limit, async || {
            let (server, mut redis) = (self.server().await?, self.redis().await);
            let mut ask = redis::pipe();
            for partition in Partition::all() {
                ask.cmd("HMGET").arg(keys::warm(partition)).arg("run_id").arg("epoch");
            }
            let markers: Vec<(Option<String>, Option<u64>)> = ask.query_async(&mut redis).await?;
            let warm = markers.iter().all(|(of, _)| of.as_ref() == Some(&server));
            let epochs: Vec<u64> = markers.iter().filter_map(|(_, epoch)| *epoch).collect();
            Ok(epochs.iter().max().copied().filter(|_| warm))
        })
        .await
        .unwrap()
    }

    /// Whether Redis says what MySQL says, and of every kind that is in `kinds`.
    async fn assert_equal(&self, kinds: impl Iterator<Item = Kind>) {
        let standing = self.standing().await;
        assert_eq!(self.standing_in_redis(1..=ARTICLES).await, standing);
        for kind in kinds {
            assert!(standing.iter().any(|(of, ..)| *of == kind), "{kind}");
        }
    }

    /// Switches on what MySQL decides, and half of it off again.
    async fn toggle_in_mysql(&self) {
        let mut caller = self.caller().await;
        for kind in Kind::of(Truth::Mysql) {
            for user in 1..=20 {
                caller.toggled(kind, user, 1 + user % ARTICLES, true).await;
            }
            for user in 1..=10 {
                caller.toggled(kind, user, 1 + user % ARTICLES, false).await;
            }
        }
    }
}

/// Of [`event`].
const ARTICLES: i64 = 30;

fn switches() -> Vec<Event> {
    (0..3000).map(event).filter(|event| matches!(event.change, Change::Switch(..))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_is_rebuilt_equal_to_mysql_in_a_later_epoch() {
    let world = World::new().await;
    let _persister = world.start("run");
    let first = world.warm().await;
    world.append(&switches()).await;
    world.toggle_in_mysql().await;
    world.settled().await;
    let standing = world.standing().await;
    sqlx::query(
        "INSERT INTO article_stats (article_id, p, pv, read_count, updated_at) VALUES (7, ?, 9, 4, UTC_TIMESTAMP(3))",
    )
    .bind(Partition::of(ArticleNumber::try_from(7).unwrap()).get())
    .execute(&world.mysql)
    .await
    .unwrap();

    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    let second = world.warm().await;
    assert!(second > first, "epoch {second} after {first}");
    world.assert_equal(Kind::ALL.iter().copied()).await;
    assert_eq!(world.standing().await, standing);
    let article = ArticleNumber::try_from(7).unwrap();
    let pv: Vec<u64> = redis::cmd("MGET")
        .arg(keys::pv(article))
        .arg(keys::reads(article))
        .query_async(&mut world.redis().await)
        .await
        .unwrap();
    assert_eq!(pv, [9, 4]);

    // What is appended after it is newer than all that MySQL knows.
    let known: i64 =
        sqlx::query_scalar("SELECT MAX(version_ms) FROM partition_state").fetch_one(&world.mysql).await.unwrap();
    world.append(&switches()[..100]).await;
    world.outboxes_empty().await;
    world.consumed().await;
    let newest: i64 = sqlx::query_scalar("SELECT MAX(version_ms) FROM interaction WHERE kind = ?")
        .bind(any_of(Truth::Redis).code())
        .fetch_one(&world.mysql)
        .await
        .unwrap();
    assert!(newest > known, "{newest} after {known}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_lost_nothing_is_warm_again_in_the_same_epoch() {
    let world = World::new().await;
    let _persister = world.start("run");
    let first = world.warm().await;
    world.append(&switches()).await;
    world.redis.kill().await.unwrap();
    world.redis.start().await.unwrap();
    let began = Instant::now();
    assert_eq!(world.warm().await, first);
    println!("warm {} ms after the restart", began.elapsed().as_millis());
    world.outboxes_empty().await;
    world.consumed().await;
    world.tables().await.assert_counts();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_has_the_bars_that_mysql_has() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    // As after a restart from a file of before: one bar is missing, another has been lifted since.
    sqlx::query("INSERT INTO user_bar (user_id, at, reason) VALUES (7, UTC_TIMESTAMP(3), 'test')")
        .execute(&world.mysql)
        .await
        .unwrap();
    let mut redis = world.redis().await;
    let mut lifted = redis::pipe();
    Partition::all().for_each(|partition| {
        lifted.sadd(keys::bar_sets(partition), set_of(8).get()).ignore();
        lifted.sadd(keys::barred(partition, set_of(8)), 8).ignore();
    });
    lifted.exec_async(&mut redis).await.unwrap();
    world.redis.kill().await.unwrap();
    world.redis.start().await.unwrap();
    world.warm().await;
    let mut ask = redis::pipe();
    Partition::all().for_each(|partition| {
        ask.sismember(keys::barred(partition, set_of(7)), 7).sismember(keys::barred(partition, set_of(8)), 8);
    });
    let barred: Vec<i64> = ask.query_async(&mut world.redis().await).await.unwrap();
    assert!(barred.chunks(2).all(|copy| copy == [1, 0]), "{barred:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_with_older_data_is_rebuilt() {
    let world = World::new().await;
    let _persister = world.start("run");
    let first = world.warm().await;
    world.append(&switches()[..1000]).await;
    world.toggle_in_mysql().await;
    world.settled().await;
    // What the components share is of no article: while the provider is down there is no other.
    let key_set = keys::jwks("0af7");
    let () = world.redis().await.set(&key_set, "1:set").await.unwrap();
    world.make_older().await;
    assert!(world.warm().await > first);
    world.settled().await;
    world.assert_equal(Kind::ALL.iter().copied()).await;
    let kept: Option<String> = world.redis().await.get(&key_set).await.unwrap();
    assert_eq!(kept.as_deref(), Some("1:set"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_never_comes_again_though_mysql_is_an_older_one() {
    let world = World::new().await;
    let _persister = world.start("run");
    let flush = async || redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    let first = world.warm().await;
    flush().await;
    let second = world.warm().await;
    assert!(second > first);
    // As from a dump of before.
    sqlx::query("UPDATE partition_state SET epoch = ?").bind(first).execute(&world.mysql).await.unwrap();
    wait_for("another second", LIMIT, async || {
        let (seconds, _micros): (u64, u64) = redis::cmd("TIME").query_async(&mut world.redis().await).await?;
        Ok((seconds > second).then_some(()))
    })
    .await
    .unwrap();
    flush().await;
    let third = world.warm().await;
    assert!(third > second, "epoch {third} after {second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warming_whose_mysql_has_vanished_ends_and_another_takes_over() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let warm = |mysql: &str, log: &Path| {
        world.command(&["warm"]).env("INTERACTION_MYSQL_URL", mysql).stderr(File::create(log).unwrap()).spawn().unwrap()
    };
    let logged = async |log: &Path, text: &str| {
        wait_for(text, LIMIT, async || Ok(read_to_string(log)?.contains(text).then_some(()))).await.unwrap();
    };
    let way = Proxy::to(world.mariadb.port()).unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    // What nobody consumes keeps the warming waiting.
    world.publish([record(&event(1))]).await;
    let _first = warm(&world.mysql_by(&way), &first);
    logged(&first, "1 event in Kafka to be consumed").await;
    let _second = warm(&world.mariadb.persister_url(), &second);
    way.hold();
    logged(&first, "MySQL did not answer within").await;
    logged(&second, "1 event in Kafka to be consumed").await;
    let _consume = world.start("consume");
    world.warm().await;
    logged(&second, "warm: rebuilt").await;
    assert!(!read_to_string(&first).unwrap().contains("warm: rebuilt"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_stood_still_through_a_rebuild_ships_nothing_that_redis_lacks() {
    let world = World::new().await;
    let _warm = world.start("warm");
    let _consume = world.start("consume");
    world.warm().await;
    let relay = world.another("relay");
    relay.start().await.unwrap();
    let switches = switches();
    for round in 0..3 {
        relay.pause().unwrap();
        for _ in 0..20 {
            world.append(&switches).await;
        }
        relay.resume().unwrap();
        // It has some in its hands, and stands still with them.
        world.outboxes_at_most(18 * switches.len() as u64).await;
        relay.pause().unwrap();
        redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
        world.warm().await;
        relay.resume().unwrap();
        // This comes after all that it had.
        world.caller().await.toggled(any_of(Truth::Redis), 1000 + round, 1, true).await;
        world.outboxes_empty().await;
        world.consumed().await;
        world.assert_equal(Kind::of(Truth::Redis)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_kafka_after_a_rebuild_went_without_it_leaves_no_difference() {
    let (world, (_kafka, way)) = World::with_way_to_kafka().await;
    let _warm = world.start("warm");
    let _consume = world.start("consume");
    world.warm().await;
    let relay = world.another("relay").envs([("INTERACTION_KAFKA_BROKERS", format!("127.0.0.1:{}", way.port()))]);
    relay.start().await.unwrap();
    let mut caller = world.caller().await;
    let kind = any_of(Truth::Redis);
    caller.toggled(kind, 1, 1, true).await;
    world.outboxes_empty().await;

    // The relay stands still, and the network that has its last record too.
    way.hold();
    caller.toggled(kind, 2, 1, true).await;
    wait_for("the record", LIMIT, async || Ok(way.holds_back(br#""user_id":"2""#).then_some(()))).await.unwrap();
    relay.pause().unwrap();
    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    world.warm().await;
    way.release();
    let likers = async || -> Vec<i64> {
        let rows = world.tables().await.rows;
        rows.iter().filter(|(.., status, _, _)| *status == 1).map(|(_, _, user, ..)| *user).collect()
    };
    wait_for("the late record in MySQL", LIMIT, async || Ok((likers().await == [1, 2]).then_some(()))).await.unwrap();
    relay.resume().unwrap();
    // Redis decides, and it had lost the change.
    wait_for("MySQL to follow", LIMIT, async || Ok((likers().await == [1]).then_some(()))).await.unwrap();
    world.assert_equal([kind].into_iter()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_writes_of_projections_alone_is_rebuilt() {
    let world = World::new().await;
    let _persister = world.start("run");
    let first = world.warm().await;
    world.toggle_in_mysql().await;
    world.settled().await;
    // As after a restart from a file of before: the outboxes of Redis have lost nothing, the projections have.
    let mut older = redis::pipe();
    for article in 1..=ARTICLES {
        let article = ArticleNumber::try_from(article).unwrap();
        let partition = Partition::of(article);
        for kind in Kind::of(Truth::Mysql) {
            older.del(keys::members(kind, article)).ignore().del(keys::count(kind, article)).ignore();
        }
        older.hset(keys::projector(partition), "writes", 0).ignore();
        older.hset(keys::warm(partition), "run_id", "the one before").ignore();
    }
    older.atomic().exec_async(&mut world.redis().await).await.unwrap();
    assert!(world.warm().await > first);
    world.settled().await;
    world.assert_equal(Kind::of(Truth::Mysql)).await;
}
