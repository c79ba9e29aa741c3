//! Deleting an article while others are at work, and being cut short.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use contract::{Event, Kind, Partition, Truth, keys};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rdkafka::Message as _;
use sqlx::{AssertSqlSafe, MySqlPool, query_scalar, raw_sql};
use stack::{Proxy, wait_for};

use crate::{
    caller::Caller,
    delete_article::number,
    world::{LIMIT, World, place_of, record},
};

/// Users of each client.
const USERS: i64 = 40;

/// Switches kinds on and off and views, of articles 42 and 43, until `end`; some hundred times at least.
async fn play(mut caller: Caller, client: i64, end: &AtomicBool) {
    let mut random = StdRng::seed_from_u64(client.unsigned_abs());
    let mut rounds = 0;
    while rounds < 300 || !end.load(Ordering::Relaxed) {
        let kind = Kind::ALL[random.random_range(0..Kind::ALL.len())];
        let user = 1 + client * USERS + random.random_range(0..USERS);
        let article = 42 + random.random_range(0..2);
        caller.toggled(kind, user, article, random.random_range(0..3) > 0).await;
        if rounds % 5 == 0 {
            caller.view(&article.to_string(), &user.to_string()).await;
        }
        rounds += 1;
    }
}

/// Checks at every instant until `end` that the counts of MySQL's own kinds are right.
async fn watch(mysql: &MySqlPool, end: &AtomicBool) {
    let codes: Vec<String> = Kind::of(Truth::Mysql).map(|kind| kind.code().to_string()).collect();
    let codes = codes.join(",");
    let sql = format!(
        "SELECT (SELECT CAST(COALESCE(SUM(count), 0) AS SIGNED) FROM interaction_count WHERE kind IN ({codes}))
              - (SELECT COUNT(*) FROM interaction WHERE kind IN ({codes}) AND status = 1)"
    );
    while !end.load(Ordering::Relaxed) {
        let off: i64 = query_scalar(AssertSqlSafe(sql.clone())).fetch_one(mysql).await.unwrap();
        assert_eq!(off, 0, "the count is that of the rows");
    }
}

impl World {
    /// Whether MySQL has the views that Redis has of an article.
    async fn assert_views(&self, article: &str) {
        let ask = redis::cmd("GET").arg(keys::pv(number(article))).to_owned();
        let pv: Option<i64> = ask.query_async(&mut self.redis().await).await.unwrap();
        let saved = "SELECT pv FROM article_stats WHERE article_id = ?";
        let saved = query_scalar(saved).bind(number(article).get()).fetch_optional(&self.mysql).await.unwrap();
        assert_eq!(saved.unwrap_or(0_i64), pv.unwrap_or(0), "the views of {article}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_users_do_while_an_article_is_deleted_both_stores_end_equal() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let end = AtomicBool::new(false);
    let caller = world.caller().await;
    let delete = async {
        for round in 0..6 {
            assert_eq!(world.ask(&["delete-article", "--article", "42"]).await.0, 0, "round {round}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        end.store(true, Ordering::Relaxed);
    };
    let clients = [0, 1, 2].map(|client| play(caller.clone(), client, &end));
    let [first, second, third] = clients;
    tokio::join!(delete, first, second, third, watch(&world.mysql, &end));
    world.settled().await;
    world.saved().await;
    let standing = world.assert_the_same(42..=43).await;
    for article in [42, 43] {
        assert!(standing.iter().any(|(.., of)| *of == article), "{standing:?}");
        world.assert_views(&article.to_string()).await;
    }
    assert_eq!(world.ask(&["reconcile"]).await.0, 0);
    // And so is what a rebuild brings back.
    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    world.warm().await;
    assert_eq!(world.assert_the_same(42..=43).await, standing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_killed_anywhere_ends_when_it_is_run_again() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    // What it waits for, when it is killed: before the first row, and after each of its steps.
    for (table, statement) in [
        ("interaction", "FROM interaction%FOR UPDATE"),
        ("projector", "UPDATE projector"),
        ("deleted_article", "INSERT INTO deleted_article"),
        ("user_read", "FROM user_read WHERE article_id IN"),
        ("ranking", "DELETE FROM ranking WHERE article_id"),
    ] {
        let end = AtomicBool::new(true);
        play(world.caller().await, 0, &end).await;
        world.settled().await;
        world.saved().await;
        let mut locker = world.mysql.acquire().await.unwrap();
        raw_sql(AssertSqlSafe(format!("LOCK TABLES {table} WRITE"))).execute(&mut *locker).await.unwrap();
        // As the owner, who sees what its own statements wait for.
        let mut delete = world.command(&["delete-article", "--article", "42"]);
        let mut delete = delete.env("INTERACTION_MYSQL_URL", world.mariadb.owner_url()).spawn().unwrap();
        wait_for("the deletion to come to the table", LIMIT, async || {
            let waiting = "SELECT EXISTS (SELECT 1 FROM information_schema.processlist
                                          WHERE info LIKE CONCAT('%', ?, '%') AND state LIKE '%lock%')";
            Ok(query_scalar::<_, bool>(waiting).bind(statement).fetch_one(&world.mysql).await?.then_some(()))
        })
        .await
        .unwrap();
        delete.kill().await.unwrap();
        raw_sql("UNLOCK TABLES").execute(&mut *locker).await.unwrap();
        drop(locker);
        assert_eq!(world.ask(&["delete-article", "--article", "42"]).await.0, 0, "{table}");
        world.settled().await;
        world.saved().await;
        world.assert_gone("42", table).await;
        let others = world.assert_the_same(42..=43).await;
        assert!(!others.is_empty() && others.iter().all(|(.., article)| *article == 43), "{others:?}");
        assert_eq!(world.ask(&["reconcile"]).await.0, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_read_before_a_deletion_saves_nothing_of_the_article() {
    let world = World::new().await;
    let _warm = world.start("warm");
    world.warm().await;
    let mut caller = world.caller().await;
    let way = Proxy::to(world.mariadb.port()).unwrap();
    let mut snapshot = world.command(&["snapshot", "--snapshot-seconds", "1"]);
    let _snapshot = snapshot.env("INTERACTION_MYSQL_URL", world.mysql_by(&way)).spawn().unwrap();
    let saving = keys::saving(Partition::of(number("42")));
    // Until it has read the counters and cannot write them: held up elsewhere, it has not read them.
    wait_for("a snapshot that is held up", LIMIT, async || {
        caller.view("42", "1").await;
        world.saved().await;
        caller.view("42", "1").await;
        way.hold();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let names: i64 = redis::cmd("SCARD").arg(&saving).query_async(&mut world.redis().await).await?;
        if names == 0 {
            way.release();
        }
        Ok((names == 1).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(world.ask(&["delete-article", "--article", "42"]).await.0, 0);
    world.assert_gone("42", "deleted").await;
    way.release();
    let ended = async || {
        let ended = "SELECT CAST(MAX(ended_at) AS CHAR) FROM last_snapshot";
        anyhow::Ok(query_scalar::<_, Option<String>>(ended).fetch_one(&world.mysql).await?)
    };
    let before = ended().await.unwrap();
    wait_for("the snapshot", LIMIT, async || Ok((ended().await? != before).then_some(()))).await.unwrap();
    world.assert_gone("42", "saved late").await;
    // What is viewed from now on is saved.
    assert_eq!(caller.view("42", "1").await.0, 1);
    world.saved().await;
    world.assert_views("42").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_article_has_no_history_and_redelivery_brings_none_back() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    for kind in Kind::ALL.iter().copied() {
        caller.toggled(kind, 1 + place_of(kind), 42, true).await;
        caller.toggled(kind, 1 + place_of(kind), 43, true).await;
    }
    world.viewed(42, 5, 2).await;
    world.views_saved(42, 5).await;
    world.settled().await;
    let mut of_other = world.counted_history().await;
    assert_eq!(of_other.keys().filter(|(article, ..)| *article == 42).count(), Kind::COUNT + 2);
    of_other.retain(|(article, ..), _| *article != 42);

    assert_eq!(world.ask(&["delete-article", "--article", "42"]).await.0, 0);
    assert_eq!(world.counted_history().await, of_other);
    let again = world.records(&world.topic, 2 * Kind::COUNT).await;
    let again: Vec<Event> = again.iter().map(|found| Event::from_json(found.payload().unwrap()).unwrap()).collect();
    world.publish(again.iter().map(record)).await;
    assert_eq!(world.counted_history().await, of_other);

    // A job without a checkpoint counts what was before the deletion again, and leaves it out.
    world.run_sql("DELETE FROM trends").await;
    assert_eq!(world.counted_history().await, of_other);
}
