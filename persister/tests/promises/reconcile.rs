//! Comparing the stores.

use contract::{ArticleId, Partition, keys};

use crate::world::World;

async fn execute(world: &World, sql: &'static str) {
    sqlx::query(sql).execute(&world.mysql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn under_traffic_only_true_differences_are_found_and_a_repair_leaves_none() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut liker = world.liker().await;
    for user in 1..=300 {
        liker.liked(user, 1 + user % 5, true).await;
    }
    world.outboxes_empty().await;
    world.consumed().await;

    // Likes and unlikes go on all the time, of users 1000 and on.
    let mut busy = liker.clone();
    let traffic = tokio::spawn(async move {
        for turn in 0_i64.. {
            busy.liked(1000 + turn % 50, 1 + turn % 5, turn / 50 % 2 == 0).await;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    let agreed = &world.ask_json(&["reconcile", "--json"]).await[0];
    assert_eq!((&agreed["articles"], &agreed["differences"]), (&5.into(), &serde_json::json!([])));

    execute(&world, "UPDATE user_like SET status = 0 WHERE user_id = 5").await;
    execute(&world, "DELETE FROM user_like WHERE user_id = 6").await;
    execute(&world, "INSERT INTO user_like VALUES (777, 1, 1, 1, 1, UTC_TIMESTAMP(3))").await;
    execute(&world, "UPDATE article_stats SET like_count = like_count + 3 WHERE article_id = 4").await;
    let third = ArticleId::try_from(3).unwrap();
    redis::cmd("INCRBY").arg(keys::likes(third)).arg(9).exec_async(&mut world.redis().await).await.unwrap();

    let (code, found) = world.ask(&["reconcile", "--json"]).await;
    assert_eq!(code, 3);
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let differences: Vec<String> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| format!("{} {} {}", of["what"], of["article_id"], of["user_id"]).replace('"', ""))
        .collect();
    let mut expected = ["like 1 5", "like 2 6", "like 1 777", "redis_count 3 null"].map(str::to_owned).to_vec();
    // MySQL's own counts are wrong where its likes were changed; in article 1 one came and one went.
    expected.extend([2, 4].map(|article| format!("mysql_count {article} null")));
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    assert_eq!(sorted(differences), sorted(expected));
    assert_eq!(world.ask(&["reconcile", "--article", "5"]).await.0, 0, "the other articles agree");

    let (code, table) = world.ask(&["reconcile", "--repair"]).await;
    assert!(code == 0 && table.contains("0 remain"), "{table}");
    let (code, table) = world.ask(&["reconcile", "--sample", "100"]).await;
    assert!(code == 0 && table.contains("5 articles compared, 0 differences"), "{table}");
    traffic.abort();
    let _ = traffic.await;
    world.outboxes_empty().await;
    world.consumed().await;
    let standing = world.standing().await;
    assert_eq!(world.standing_in_redis(1..=5).await, standing);
    assert!(standing.contains(&(5, 1)) && standing.contains(&(6, 2)) && !standing.contains(&(777, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_or_not_warm_is_never_called_a_difference() {
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    persister.kill().await.unwrap();
    world.liker().await.liked(7, 42, true).await;
    let (code, out) = world.ask(&["reconcile", "--json", "--wait-seconds", "2"]).await;
    assert_eq!((code, out.as_str()), (1, ""), "nothing is known");

    let of = Partition::of(ArticleId::try_from(42).unwrap());
    redis::cmd("HSET").arg(keys::warm(of)).arg("run_id").arg("x").exec_async(&mut world.redis().await).await.unwrap();
    let (code, out) = world.ask(&["reconcile", "--json", "--wait-seconds", "2"]).await;
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["not_warm"], &report["remaining"]), (3, &serde_json::json!(["42"]), &0.into()));
}
