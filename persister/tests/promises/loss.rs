//! What a rebuild says of itself: what may be gone, and how fast the rest came back.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    time::{Duration, Instant},
};

use contract::{ArticleId, keys};
use sqlx::{AssertSqlSafe, raw_sql};
use stack::wait_for;

use crate::{
    likes::Liker,
    world::{LIMIT, World},
};

/// The last rebuild, as `warm` keeps it.
#[derive(Debug, sqlx::FromRow)]
struct Rebuild {
    likes: i64,
    took_ms: i64,
    noticed_ms: i64,
    lost_waiting: i64,
    lost_from_ms: Option<i64>,
}

impl World {
    async fn last_rebuild(&self) -> Rebuild {
        let last =
            "SELECT likes, took_ms, noticed_ms, lost_waiting, lost_from_ms FROM rebuild ORDER BY id DESC LIMIT 1";
        sqlx::query_as(last).fetch_one(&self.mysql).await.unwrap()
    }

    async fn rebuilds(&self) -> i64 {
        sqlx::query_scalar("SELECT COUNT(*) FROM rebuild").fetch_one(&self.mysql).await.unwrap()
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

/// Likes of these users on articles 1 to 20.
async fn like_all(liker: &mut Liker, users: std::ops::Range<i64>) -> BTreeSet<(i64, i64)> {
    let pairs: BTreeSet<(i64, i64)> = users.map(|user| (user, 1 + user % 20)).collect();
    for (user, article) in &pairs {
        liker.liked(*user, *article, true).await;
    }
    pairs
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_lost_with_an_emptied_redis_than_is_told() {
    let world = World::new().await;
    let (mut warm, _consume, mut relay) = (world.start("warm"), world.start("consume"), world.start("relay"));
    world.warm().await;
    let mut liker = world.liker().await;
    let mut acknowledged = like_all(&mut liker, 1..201).await;
    world.outboxes_empty().await;
    world.consumed().await;

    // No relay: what is liked now waits in Redis, and is seen waiting.
    relay.kill().await.unwrap();
    acknowledged.extend(like_all(&mut liker, 201..501).await);
    world.seen_waiting(300).await;
    let told = world.lose_redis(LIMIT).await;
    let standing = world.standing_in_redis(1..=20).await;
    let lost = acknowledged.difference(&standing).count();
    assert_eq!(lost, 300, "what was relayed is there");
    assert!(told.lost_waiting >= i64::try_from(lost).unwrap(), "{told:?}");

    // Nobody looks either: what is liked now is bounded by the time only.
    world.seen_waiting(0).await;
    warm.kill().await.unwrap();
    let began = world.redis_ms().await;
    let unseen = like_all(&mut liker, 501..551).await;
    let ended = world.redis_ms().await;
    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    let _warm = world.start("warm");
    world.warm().await;
    wait_for("the record", LIMIT, async || Ok((world.last_rebuild().await.noticed_ms > ended).then_some(())))
        .await
        .unwrap();
    let told = world.last_rebuild().await;
    assert!(world.standing_in_redis(1..=20).await.is_disjoint(&unseen));
    assert_eq!(told.lost_waiting, 0);
    assert!(told.lost_from_ms.is_some_and(|from| from <= began) && told.noticed_ms >= ended, "{told:?}");
}

/// How many likes to rebuild: `make rebuild LIKES=1000000`.
fn wanted() -> i64 {
    std::env::var("REBUILD_LIKES").map_or(20_000, |likes| likes.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_brings_back_every_like_and_says_how_fast() {
    // Half of the likes are one article's, the others have ten each.
    let (likes, hot) = (wanted(), 7_i64);
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let article_of = |n: i64| if n % 2 == 0 { hot } else { 1000 + n / 20 };
    for first in (0..likes).step_by(10_000) {
        let mut rows = String::new();
        for n in first..(first + 10_000).min(likes) {
            let separator = if rows.is_empty() { "" } else { "," };
            write!(rows, "{separator}({},{},1,{n},0,UTC_TIMESTAMP(3))", n + 1, article_of(n)).unwrap();
        }
        let insert = format!(
            "INSERT INTO user_like (user_id, article_id, status, version_ms, version_seq, updated_at) VALUES {rows}"
        );
        raw_sql(AssertSqlSafe(insert)).execute(&world.mysql).await.unwrap();
    }
    let count = "INSERT INTO article_stats (article_id, like_count, updated_at)
                 SELECT article_id, COUNT(*), UTC_TIMESTAMP(3) FROM user_like GROUP BY article_id";
    sqlx::query(count).execute(&world.mysql).await.unwrap();

    let began = Instant::now();
    let told = world.lose_redis(LIMIT * 10).await;
    println!(
        "{} likes rebuilt; fenced for {:.1} s, {:.0} likes/s; warm again {:.1} s after the loss",
        told.likes,
        Duration::from_millis(told.took_ms.unsigned_abs()).as_secs_f64(),
        1000.0 * f64::from(u32::try_from(told.likes).unwrap()) / f64::from(u32::try_from(told.took_ms.max(1)).unwrap()),
        began.elapsed().as_secs_f64(),
    );
    assert_eq!(told.likes, likes);
    let mut redis = world.redis().await;
    let mut ask = redis::pipe();
    let articles: BTreeSet<i64> = (0..likes).map(article_of).collect();
    for article in &articles {
        ask.get(keys::likes(ArticleId::try_from(*article).unwrap()));
    }
    let counts: Vec<i64> = ask.query_async(&mut redis).await.unwrap();
    assert_eq!(counts.iter().sum::<i64>(), likes);
    assert_eq!(world.standing_in_redis(hot..=hot).await.len(), usize::try_from(likes / 2).unwrap());
}
