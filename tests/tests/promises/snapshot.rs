//! From Redis's counters to MySQL.

use contract::{ArticleNumber, Partition, keys};
use stack::{Proxy, wait_for};

use crate::world::{LIMIT, World};

/// A server whose machine is gone says nothing more, not even that the connection has ended.
#[tokio::test(flavor = "multi_thread")]
async fn views_are_saved_again_after_mysql_vanished_in_the_middle_of_a_snapshot() {
    let world = World::new().await;
    let _warm = world.start("warm");
    world.warm().await;
    let way = Proxy::to(world.mariadb.port()).unwrap();
    let mut snapshot = world.command(&["snapshot", "--snapshot-seconds", "1"]);
    let _snapshot = snapshot.env("INTERACTION_MYSQL_URL", world.mysql_by(&way)).spawn().unwrap();
    let mut caller = world.caller().await;
    caller.view("1", "somebody").await;
    world.saved().await;

    // The next snapshot cannot write this row: what it has asked when the server vanishes is never answered.
    let mut locker = world.mysql.begin().await.unwrap();
    sqlx::query("SELECT * FROM article_stats WHERE article_id = 1 FOR UPDATE").fetch_all(&mut *locker).await.unwrap();
    caller.view("1", "somebody").await;
    let article = ArticleNumber::try_from(1).unwrap();
    let saving = keys::saving(Partition::of(article));
    wait_for("a snapshot", LIMIT, async || {
        let taken: i64 = redis::cmd("SCARD").arg(&saving).query_async(&mut world.redis().await).await?;
        Ok((taken > 0).then_some(()))
    })
    .await
    .unwrap();
    way.hold_existing();
    locker.rollback().await.unwrap();
    let views: i64 = redis::cmd("GET").arg(keys::pv(article)).query_async(&mut world.redis().await).await.unwrap();
    wait_for("the views in MySQL", 3 * LIMIT, async || {
        let saved: i64 =
            sqlx::query_scalar("SELECT pv FROM article_stats WHERE article_id = 1").fetch_one(&world.mysql).await?;
        Ok((saved == views).then_some(()))
    })
    .await
    .unwrap();
}
