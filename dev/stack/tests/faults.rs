//! The faults that the fault tests cause in a whole stack, one by one.

use anyhow::Result;
use stack::{Options, Proxy, Redis, Stack};
use std::time::Duration;
use tokio::time::timeout;

async fn ping(port: u16) -> Result<redis::aio::MultiplexedConnection> {
    Ok(redis::Client::open(("127.0.0.1", port))?.get_multiplexed_async_connection().await?)
}

#[tokio::test]
async fn what_a_held_connection_sent_arrives_late_and_is_not_lost() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let redis = Redis::start_in(folder.path()).await?;
    let proxy = Proxy::to(redis.port())?;
    let mut old = ping(proxy.port()).await?;
    proxy.hold_existing();
    let set = redis::cmd("SET").arg("key").arg("old").to_owned();
    let answer = timeout(Duration::from_millis(200), set.exec_async(&mut old)).await;
    assert!(!matches!(answer, Ok(Ok(()))), "nothing passes");
    assert!(proxy.holds_back(b"old") && !proxy.holds_back(b"new"));
    drop(old);

    let mut new = ping(proxy.port()).await?;
    let () = redis::cmd("SET").arg("key").arg("new").query_async(&mut new).await?;
    proxy.release();
    stack::wait_for("the late command", Duration::from_secs(10), async || {
        let value: String = redis::cmd("GET").arg("key").query_async(&mut new).await?;
        Ok((value == "old").then_some(()))
    })
    .await?;
    assert!(!proxy.holds_back(b"old"));

    proxy.hold();
    assert!(!matches!(timeout(Duration::from_millis(200), ping(proxy.port())).await, Ok(Ok(_))), "nor to a new one");
    proxy.release();
    ping(proxy.port()).await?;
    Ok(())
}

#[tokio::test]
async fn redis_sees_the_time_that_set_clock_sets() -> Result<()> {
    let stack = Stack::start(Options::default().breakable().without_app().without_persister().quiet()).await?;
    let mut redis = ping(stack.redis.port()).await?;
    let before: (i64, i64) = redis::cmd("TIME").query_async(&mut redis).await?;
    stack.redis.set_clock(-60)?;
    let after: (i64, i64) = redis::cmd("TIME").query_async(&mut redis).await?;
    assert!((55..=60).contains(&(before.0 - after.0)), "{before:?} {after:?}");
    Ok(())
}
