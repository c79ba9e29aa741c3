//! What a rebuild reads, writes and waits for.

use contract::{ArticleNumber, Partition, Truth, keys};
use redis::AsyncCommands as _;
use sqlx::{AssertSqlSafe, raw_sql};
use stack::wait_for;

use crate::{
    scale::{HOT, Likes},
    world::{LIMIT, World, any_of},
};

fn partition_of(article: i64) -> Partition {
    Partition::of(ArticleNumber::try_from(article).unwrap())
}

impl World {
    /// Makes Redis forget that these partitions are whole.
    pub(crate) async fn make_cold(&self, partitions: &[Partition]) {
        let mut forget = redis::pipe();
        for partition in partitions {
            forget.del(keys::warm(*partition)).ignore();
        }
        forget.exec_async(&mut self.redis().await).await.unwrap();
    }

    async fn is_warm(&self, partition: Partition) -> anyhow::Result<bool> {
        let of: Option<String> = self.redis().await.hget(keys::warm(partition), "run_id").await?;
        Ok(of == Some(self.server().await?))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_does_not_wait_for_events_of_other_partitions() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let (kind, slow, lost) = (any_of(Truth::Redis), 1, 2);
    assert_ne!(partition_of(slow), partition_of(lost));
    let mut caller = world.caller().await;
    for article in [slow, lost] {
        caller.toggled(kind, 7, article, true).await;
    }
    world.settled().await;

    // A consumer's transaction begins with this lock.
    let mut other = world.mysql.begin().await.unwrap();
    sqlx::query("SELECT p FROM partition_state WHERE p = ? FOR UPDATE")
        .bind(partition_of(slow).get())
        .fetch_all(&mut *other)
        .await
        .unwrap();
    caller.toggled(kind, 8, slow, true).await;
    world.outboxes_empty().await;
    world.make_cold(&[partition_of(lost)]).await;
    wait_for("the rebuilt partition", LIMIT, async || Ok(world.is_warm(partition_of(lost)).await?.then_some(())))
        .await
        .unwrap();
    let applied: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM interaction WHERE article_id = ?")
        .bind(slow)
        .fetch_one(&world.mysql)
        .await
        .unwrap();
    assert_eq!(applied, 1, "the lock held up nobody");
    // One's own events are waited for.
    world.make_cold(&[partition_of(slow)]).await;
    other.commit().await.unwrap();
    world.warm().await;
    world.settled().await;
    let standing = world.standing().await;
    assert_eq!(standing.len(), 3);
    assert_eq!(world.standing_in_redis(1..=2).await, standing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_of_a_quarter_of_the_partitions_does_not_read_the_other_rows() {
    const LIKES: i64 = 60_000;
    const VIEWED: i64 = 60_000;
    let world = World::new().await;
    let warm = world.another("warm");
    warm.start().await.unwrap();
    world.warm().await;
    world.fill(Likes::of(LIKES)).await;
    let viewed: Vec<i64> = (1_000_000..1_000_000 + VIEWED).collect();
    for some in viewed.chunks(10_000) {
        let rows: Vec<String> =
            some.iter().map(|article| format!("({article},{},1,UTC_TIMESTAMP(3))", partition_of(*article))).collect();
        let insert = format!("INSERT INTO article_stats (article_id, p, pv, updated_at) VALUES {}", rows.join(","));
        raw_sql(AssertSqlSafe(insert)).execute(&world.mysql).await.unwrap();
    }
    let quarter: Vec<Partition> =
        Partition::all().filter(|partition| partition.get() % 4 == 0 && *partition != partition_of(HOT)).collect();
    let (before, last) = (world.rows_read().await, world.rebuilds().await);
    world.make_cold(&quarter).await;
    wait_for("the rebuild", LIMIT, async || Ok((world.rebuilds().await > last).then_some(()))).await.unwrap();
    world.warm().await;
    let read = world.rows_read().await - before;
    let of_quarter = viewed.iter().filter(|article| quarter.contains(&partition_of(**article))).count();
    let written = world.last_rebuild().await.members + i64::try_from(of_quarter).unwrap();
    println!("{read} rows read for {written} of {}", LIKES + VIEWED);
    assert!(written > (LIKES + VIEWED) / 8, "{written}");
    assert!(read < written * 3 / 2, "{read} rows read for {written}");
}

/// The server ends a scan whose reader does not read for a while. So it does not collect all users of an article.
#[tokio::test(flavor = "multi_thread")]
async fn an_article_with_very_many_users_is_rebuilt_in_parts() {
    const USERS: i64 = 300_000;
    let world = World::new().await;
    let warm = world.another("warm");
    warm.start().await.unwrap();
    world.warm().await;
    world.fill(Likes { hot: USERS, articles: 0, every: 1 }).await;
    // Whatever MySQL believes.
    sqlx::query("UPDATE interaction_count SET count = 5").execute(&world.mysql).await.unwrap();
    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    let (kind, article) = (any_of(Truth::Redis), ArticleNumber::try_from(HOT).unwrap());
    let count = async || -> redis::RedisResult<i64> {
        let count: Option<i64> = world.redis().await.get(keys::count(kind, article)).await?;
        Ok(count.unwrap_or(0))
    };
    wait_for("some of the users", LIMIT, async || Ok((1..USERS).contains(&count().await?).then_some(())))
        .await
        .unwrap();
    world.warm().await;
    assert_eq!(count().await.unwrap(), USERS);
    let (code, _) = world.ask(&["reconcile", "--article", &HOT.to_string(), "--repair"]).await;
    assert_eq!(code, 0, "only MySQL's count was wrong");
}
