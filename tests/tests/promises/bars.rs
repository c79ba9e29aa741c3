use std::{
    collections::BTreeMap,
    env,
    time::{Duration, Instant},
};

use contract::{
    Partition, UserNumber,
    keys::{self, BarSet},
};
use redis::AsyncCommands;
use sqlx::QueryBuilder;
use stack::wait_for;

use super::world::{LIMIT, World};

/// The number of bars, or `BARS` in the environment: a million takes a few minutes.
const BARS: i64 = 20_000;
/// The first user. Redis needs 8 bytes for so high a number.
const FIRST: i64 = 1 << 40;
const PATIENCE: Duration = Duration::from_mins(10);
/// What a warm-up may take, and 32 bytes more for each bar.
const MEMORY_KB: u64 = 80_000;
/// Bytes in Redis for a bar in all copies, if there are many thousands.
const PER_BAR: i64 = 6_000;

pub(crate) fn set_of(user: i64) -> BarSet {
    BarSet::of(UserNumber::try_from(user).unwrap())
}

async fn used_memory(world: &World) -> i64 {
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut world.redis().await).await.unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    used.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_bars_take_little_memory_in_redis_and_in_the_process_that_compares_them() {
    let bars = env::var("BARS").map_or(BARS, |bars| bars.parse().unwrap());
    let world = World::new().await;
    let first = world.another("run");
    first.start().await.unwrap();
    world.warm().await;
    first.terminate().await.unwrap();

    let users: Vec<i64> = (FIRST..FIRST + bars).collect();
    for some in users.chunks(1000) {
        let mut insert = QueryBuilder::new("INSERT INTO user_bar (user_id, at, reason) ");
        insert.push_values(some, |mut row, user| {
            row.push_bind(user).push("UTC_TIMESTAMP(3)").push("'test'");
        });
        insert.build().execute(&world.mysql).await.unwrap();
    }
    let mut redis = world.redis().await;
    let before = used_memory(&world).await;
    // One that is missing from all copies, and one too many.
    let mut sets = BTreeMap::<BarSet, Vec<i64>>::new();
    for user in FIRST + 1..=FIRST + bars {
        sets.entry(set_of(user)).or_default().push(user);
    }
    for partition in Partition::all() {
        let mut add = redis::pipe();
        for (set, users) in &sets {
            add.sadd(keys::bar_sets(partition), set.get()).ignore();
            add.sadd(keys::barred(partition, *set), users).ignore();
        }
        add.exec_async(&mut redis).await.unwrap();
    }
    let each = (used_memory(&world).await - before) / bars;
    println!("{each} bytes of Redis for each of {bars} bars");
    assert!(each < PER_BAR, "{each} bytes");
    world.redis.kill().await.unwrap();
    world.redis.start().await.unwrap();

    let persister = world.another("run");
    let began = Instant::now();
    persister.start().await.unwrap();
    world.warm_within(PATIENCE).await;
    println!("warm after {:.1?}", began.elapsed());
    let status = std::fs::read_to_string(format!("/proc/{}/status", persister.pid().unwrap())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    println!("{peak} kB at most");
    assert!(peak.parse::<u64>().unwrap() < MEMORY_KB + bars.unsigned_abs() * 32 / 1024, "{peak} kB");

    let (missing, one_too_many) = (FIRST, FIRST + bars);
    for users in sets.values_mut() {
        users.retain(|user| *user != one_too_many);
    }
    sets.entry(set_of(missing)).or_default().push(missing);
    let mut redis = world.redis().await;
    for partition in Partition::all() {
        let mut ask = redis::pipe();
        for set in sets.keys() {
            ask.scard(keys::barred(partition, *set));
        }
        let counts: Vec<usize> = ask.query_async(&mut redis).await.unwrap();
        assert!(counts.iter().eq(sets.values().map(Vec::len).collect::<Vec<_>>().iter()), "{partition:?}");
        for (user, is_barred) in [(missing, true), (one_too_many, false)] {
            let copy = keys::barred(partition, set_of(user));
            assert_eq!(redis.sismember::<_, _, bool>(copy, user).await.unwrap(), is_barred, "{partition:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bar_that_is_lifted_during_a_rebuild_is_in_no_copy() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    assert_eq!(world.ask(&["bars", "add", "--user", "8", "--reason", "test"]).await.0, 0);
    let copies = async || -> redis::RedisResult<usize> {
        let mut ask = redis::pipe();
        Partition::all().for_each(|partition| {
            ask.sismember(keys::barred(partition, set_of(8)), 8);
        });
        let copies: Vec<bool> = ask.query_async(&mut world.redis().await).await?;
        Ok(copies.into_iter().filter(|has| *has).count())
    };
    // The rebuild restores the bars, and then waits for who is erased.
    let mut lock = world.mysql.acquire().await.unwrap();
    sqlx::query("LOCK TABLES erased_user WRITE").execute(&mut *lock).await.unwrap();
    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    let of = Partition::all().count();
    wait_for("the bar in every copy", LIMIT, async || Ok((copies().await? == of).then_some(()))).await.unwrap();
    // As by a lift that removed the copies just before the rebuild wrote them.
    sqlx::query("DELETE FROM user_bar WHERE user_id = 8").execute(&world.mysql).await.unwrap();
    sqlx::query("UNLOCK TABLES").execute(&mut *lock).await.unwrap();
    world.warm().await;
    assert_eq!(copies().await.unwrap(), 0);
}
