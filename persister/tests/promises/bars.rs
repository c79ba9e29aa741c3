use contract::{Partition, keys};
use sqlx::QueryBuilder;

use super::world::World;

const BARS: i64 = 20_000;
/// What a warm-up may take. Its copies of the bars took 190 MB more.
const MEMORY_KB: u64 = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_up_with_many_bars_takes_little_memory() {
    let world = World::new().await;
    let first = world.another("run");
    first.start().await.unwrap();
    world.warm().await;
    first.terminate().await.unwrap();

    let users: Vec<i64> = (1..=BARS).collect();
    for some in users.chunks(1000) {
        let mut insert = QueryBuilder::new("INSERT INTO user_bar (user_id, at, reason) ");
        insert.push_values(some, |mut row, user| {
            row.push_bind(user).push("UTC_TIMESTAMP(3)").push("'test'");
        });
        insert.build().execute(&world.mysql).await.unwrap();
    }
    // One that is missing from all copies, and one too many.
    let mut redis = world.redis().await;
    for partition in Partition::all() {
        let mut add = redis::pipe();
        for some in users[1..].chunks(5000) {
            add.sadd(keys::barred(partition), some).ignore();
        }
        add.sadd(keys::barred(partition), BARS + 1).ignore();
        add.exec_async(&mut redis).await.unwrap();
    }
    world.redis.kill().await.unwrap();
    world.redis.start().await.unwrap();

    let persister = world.another("run");
    persister.start().await.unwrap();
    world.warm().await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", persister.pid().unwrap())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    println!("{peak} kB at most");
    assert!(peak.parse::<u64>().unwrap() < MEMORY_KB, "{peak} kB");

    let mut ask = redis::pipe();
    for partition in Partition::all() {
        let copy = keys::barred(partition);
        ask.scard(&copy).sismember(&copy, 1).sismember(&copy, BARS + 1);
    }
    let copies: Vec<i64> = ask.query_async(&mut world.redis().await).await.unwrap();
    assert!(copies.chunks(3).all(|copy| copy == [BARS, 1, 0]), "{copies:?}");
}
