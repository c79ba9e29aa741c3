//! What a rebuild reports: how much may be lost, and how fast the rest came back.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    time::{Duration, Instant},
};

use contract::{ArticleId, ArticleNumber, Kind, Partition, Truth, UserId, keys};
use sqlx::{AssertSqlSafe, raw_sql};
use stack::wait_for;

use crate::{
    caller::Caller,
    tables::On,
    world::{LIMIT, World},
};

/// A rebuild, as `warm` records it.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Rebuild {
    pub(crate) members: i64,
    pub(crate) took_ms: i64,
    noticed_ms: i64,
    lost_waiting: i64,
    lost_from_ms: Option<i64>,
}

impl World {
    pub(crate) async fn last_rebuild(&self) -> Rebuild {
        let last = "SELECT members, took_ms, noticed_ms, lost_waiting, lost_from_ms FROM rebuild WHERE took_ms > 0
             ORDER BY id DESC LIMIT 1";
        sqlx::query_as(last).fetch_one(&self.mysql).await.unwrap()
    }

    pub(crate) async fn rebuilds(&self) -> i64 {
        sqlx::query_scalar("SELECT COUNT(*) FROM rebuild WHERE took_ms > 0").fetch_one(&self.mysql).await.unwrap()
    }

    /// Empties Redis, and waits until it is warm and the rebuild is on record.
    async fn lose_redis(&self, patience: Duration) -> Rebuild {
        let before = self.rebuilds().await;
        redis::cmd("FLUSHALL").exec_async(&mut self.redis().await).await.unwrap();
        wait_for("the rebuild", patience, async || Ok((self.rebuilds().await > before).then_some(()))).await.unwrap();
        self.warm().await;
        self.last_rebuild().await
    }

    async fn seen_waiting(&self, count: i64) {
        wait_for("the outboxes to be looked at", LIMIT, async || {
            let seen: Option<i64> = sqlx::query_scalar("SELECT CAST(SUM(waiting) AS SIGNED) FROM outbox_seen")
                .fetch_one(&self.mysql)
                .await?;
            Ok((seen == Some(count)).then_some(()))
        })
        .await
        .unwrap();
    }

    async fn redis_ms(&self) -> i64 {
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut self.redis().await).await.unwrap();
        seconds * 1000 + micros / 1000
    }
}

/// Each of these users switches on, for one of the articles 1 to 20, a kind that Redis decides.
async fn switch_on(caller: &mut Caller, users: std::ops::Range<i64>) -> On {
    let kinds: Vec<Kind> = Kind::of(Truth::Redis).collect();
    let kind = |user: i64| kinds[usize::try_from(user / 20).unwrap() % kinds.len()];
    let all: On = users.map(|user| (kind(user), user, 1 + user % 20)).collect();
    for (kind, user, article) in &all {
        caller.toggled(*kind, *user, *article, true).await;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_loses_at_most_what_the_rebuild_records() {
    let world = World::new().await;
    let (mut warm, _consume, mut relay) = (world.start("warm"), world.start("consume"), world.start("relay"));
    world.warm().await;
    let mut caller = world.caller().await;
    let mut acknowledged = switch_on(&mut caller, 1..201).await;
    world.outboxes_empty().await;
    world.consumed().await;

    // Without a relay the next changes wait in Redis, and `warm` records how many wait.
    relay.kill().await.unwrap();
    acknowledged.extend(switch_on(&mut caller, 201..501).await);
    world.seen_waiting(300).await;
    let rebuild = world.lose_redis(LIMIT).await;
    let standing = world.standing_in_redis(1..=20).await;
    let lost = acknowledged.difference(&standing).count();
    assert_eq!(lost, 300, "only what was not relayed is lost");
    assert!(rebuild.lost_waiting >= i64::try_from(lost).unwrap(), "{rebuild:?}");

    // Without `warm` nobody records how many wait, so the rebuild can only say from when on changes may be lost.
    world.seen_waiting(0).await;
    warm.kill().await.unwrap();
    let began = world.redis_ms().await;
    let unseen = switch_on(&mut caller, 501..551).await;
    let ended = world.redis_ms().await;
    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    let _warm = world.start("warm");
    world.warm().await;
    wait_for("the record", LIMIT, async || Ok((world.last_rebuild().await.noticed_ms > ended).then_some(())))
        .await
        .unwrap();
    let rebuild = world.last_rebuild().await;
    assert!(world.standing_in_redis(1..=20).await.is_disjoint(&unseen));
    assert_eq!(rebuild.lost_waiting, 0);
    assert!(rebuild.lost_from_ms.is_some_and(|from| from <= began) && rebuild.noticed_ms >= ended, "{rebuild:?}");
}

/// MySQL knows none of the changes that were lost; only `warm` had seen them.
#[tokio::test(flavor = "multi_thread")]
async fn older_data_is_noticed_though_nothing_after_it_was_relayed() {
    let world = World::new().await;
    let (_warm, _consume) = (world.start("warm"), world.start("consume"));
    world.warm().await;
    let on = switch_on(&mut world.caller().await, 1..101).await;
    assert_eq!(world.standing_in_redis(1..=20).await, on);
    world.seen_waiting(100).await;
    let before = world.rebuilds().await;
    world.make_older().await;
    wait_for("the rebuild", LIMIT, async || Ok((world.rebuilds().await > before).then_some(()))).await.unwrap();
    world.warm().await;
    assert_eq!(world.last_rebuild().await.lost_waiting, 100);
    assert!(world.standing_in_redis(1..=20).await.is_empty(), "Redis says what MySQL says");
}

/// How many users to rebuild. `make rebuild LIKES=1000000` sets it.
fn wanted() -> i64 {
    std::env::var("REBUILD_LIKES").map_or(20_000, |likes| likes.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_brings_back_every_user_and_says_how_fast() {
    // Half of the users have the first kind on for one hot article. The others have the kinds in turn, ten users for each
    // article.
    let (wanted, hot) = (wanted(), 7_i64);
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    // Half of the ids are names.
    let article = |n: i64| {
        if n % 2 == 0 { 1000 + n } else { format!("article-{n}").parse::<ArticleId>().unwrap().number().get() }
    };
    let user = |n: i64| if n % 4 < 2 { n + 1 } else { format!("user-{n}").parse::<UserId>().unwrap().number().get() };
    let of = |n: i64| {
        let kind = Kind::ALL[usize::try_from(n / 20).unwrap() % Kind::ALL.len()];
        if n % 2 == 0 { (Kind::ALL[0], hot) } else { (kind, article(n / 20)) }
    };
    for first in (0..wanted).step_by(10_000) {
        let mut rows = String::new();
        for n in first..(first + 10_000).min(wanted) {
            let (separator, (kind, article)) = (if rows.is_empty() { "" } else { "," }, of(n));
            let p = Partition::of(article.try_into().unwrap());
            write!(rows, "{separator}({p},{article},{},{},1,{n},0,UTC_TIMESTAMP(3))", kind.code(), user(n)).unwrap();
        }
        let insert = format!(
            "INSERT INTO interaction (p, article_id, kind, user_id, status, version_ms, version_seq, updated_at)
             VALUES {rows}"
        );
        raw_sql(AssertSqlSafe(insert)).execute(&world.mysql).await.unwrap();
    }
    let count = "INSERT INTO interaction_count (article_id, kind, count)
                 SELECT article_id, kind, COUNT(*) FROM interaction GROUP BY article_id, kind";
    sqlx::query(count).execute(&world.mysql).await.unwrap();

    let began = Instant::now();
    let rebuild = world.lose_redis(LIMIT * 10).await;
    println!(
        "{} users rebuilt; fenced for {:.1} s, {:.0} users/s; warm again {:.1} s after the loss",
        rebuild.members,
        Duration::from_millis(rebuild.took_ms.unsigned_abs()).as_secs_f64(),
        1000.0 * f64::from(u32::try_from(rebuild.members).unwrap())
            / f64::from(u32::try_from(rebuild.took_ms.max(1)).unwrap()),
        began.elapsed().as_secs_f64(),
    );
    assert_eq!(rebuild.members, wanted);
    let counters: BTreeSet<(Kind, i64)> = (0..wanted).map(of).collect();
    let mut ask = redis::pipe();
    for (kind, article) in &counters {
        ask.get(keys::count(*kind, ArticleNumber::try_from(*article).unwrap()));
    }
    let counts: Vec<i64> = ask.query_async(&mut world.redis().await).await.unwrap();
    assert_eq!(counts.iter().sum::<i64>(), wanted);
    let hot = ArticleNumber::try_from(hot).unwrap();
    assert_eq!(world.members(Kind::ALL[0], hot).await.len(), usize::try_from(wanted / 2).unwrap());

    world.measured(&["reconcile"], wanted).await;
}

/// A rebuild declares its partitions one after the other. If it is cut short, those that it has declared look whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_cut_short_leaves_on_record_what_may_be_lost() {
    let world = World::new().await;
    let (mut warm, _consume) = (world.start("warm"), world.start("consume"));
    world.warm().await;
    switch_on(&mut world.caller().await, 1..101).await;
    world.seen_waiting(100).await;

    // The rebuild cannot read what it is to write.
    let mut locker = world.mysql.acquire().await.unwrap();
    raw_sql("LOCK TABLES interaction WRITE").execute(&mut *locker).await.unwrap();
    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    let record = async || -> anyhow::Result<Option<(i64, i64)>> {
        let begun = "SELECT took_ms, lost_waiting FROM rebuild WHERE lost_waiting > 0";
        Ok(sqlx::query_as(begun).fetch_optional(&world.mysql).await?)
    };
    wait_for("the record", LIMIT, record).await.unwrap();
    warm.kill().await.unwrap();
    raw_sql("UNLOCK TABLES").execute(&mut *locker).await.unwrap();
    assert_eq!(record().await.unwrap(), Some((0, 100)));
    let (_, status) = world.ask(&["status"]).await;
    assert!(status.contains("not finished") && status.contains("100 seen waiting"), "{status}");

    let before = world.rebuilds().await;
    let _warm = world.start("warm");
    wait_for("the rebuild", LIMIT, async || Ok((world.rebuilds().await > before).then_some(()))).await.unwrap();
    world.warm().await;
}
