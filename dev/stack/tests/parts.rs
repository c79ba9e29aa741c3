//! The parts of the stack by themselves: they answer when `start` returns, and survive what the fault tests do to them.

use anyhow::Result;
use redis::AsyncCommands;
use sqlx::{Connection, Row};
use stack::{Kafka, MariaDb, Redis};
use std::time::Duration;

#[tokio::test]
async fn a_killed_redis_has_what_it_acknowledged() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let redis = Redis::start_in(folder.path()).await?;
    let client = redis::Client::open(redis.url())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let () = connection.set("key", 7).await?;

    let pid = redis.pid();
    redis.kill().await?;
    assert!(!redis.is_running());
    redis.start().await?;
    assert_ne!(redis.pid(), pid);

    let mut connection = client.get_multiplexed_async_connection().await?;
    assert_eq!(connection.get::<_, u64>("key").await?, 7);
    Ok(())
}

#[tokio::test]
async fn a_paused_redis_says_nothing_until_resumed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let redis = Redis::start_in(folder.path()).await?;
    let client = redis::Client::open(redis.url())?;
    let mut connection = client.get_multiplexed_async_connection().await?;

    redis.pause()?;
    let answer = tokio::time::timeout(Duration::from_millis(200), connection.incr::<_, _, u64>("key", 1)).await;
    assert!(!matches!(answer, Ok(Ok(_))), "a stopped process answered");
    redis.resume()?;
    redis.wait_ready().await?;
    assert!(redis.terminate().await?.is_some_and(|status| status.success()));
    assert!(redis.terminate().await?.is_none(), "stopping twice is no error");
    Ok(())
}

#[tokio::test]
async fn a_service_that_cannot_start_says_why() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let redis = Redis::new(folder.path())?;
    std::fs::remove_dir(folder.path().join("redis"))?;
    let error = redis.start().await.expect_err("without its folder").to_string();
    assert!(error.contains("redis is not running") && error.contains("No such file or directory"), "{error}");
    Ok(())
}

#[tokio::test]
async fn mariadb_has_its_users_after_a_crash_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mariadb = MariaDb::start_in(folder.path()).await?;
    let mut admin = sqlx::MySqlConnection::connect(&mariadb.owner_url()).await?;
    sqlx::query("CREATE TABLE t (id BIGINT PRIMARY KEY)").execute(&mut admin).await?;
    sqlx::query("INSERT INTO t VALUES (7)").execute(&mut admin).await?;
    sqlx::query("GRANT SELECT ON interaction.t TO 'handlers'@'%'").execute(&mut admin).await?;

    mariadb.kill().await?;
    mariadb.start().await?;

    for url in [mariadb.reader_url(), mariadb.handlers_url()] {
        let mut user = sqlx::MySqlConnection::connect(&url).await?;
        assert_eq!(sqlx::query("SELECT id FROM t").fetch_one(&mut user).await?.get::<i64, _>(0), 7);
        assert!(sqlx::query("INSERT INTO t VALUES (8)").execute(&mut user).await.is_err(), "may only read");
    }
    Ok(())
}

#[tokio::test]
async fn kafka_starts_again_on_its_port_and_data() -> Result<()> {
    use rdkafka::ClientConfig;
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;

    let folder = tempfile::tempdir()?;
    let kafka = Kafka::start_in(folder.path()).await?;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create()?;
    let topic = NewTopic::new("kept", 3, TopicReplication::Fixed(1));
    let created = admin.create_topics([&topic], &AdminOptions::new()).await?;
    assert_eq!(created, [Ok("kept".to_owned())]);

    kafka.kill().await?;
    kafka.start().await?;

    let metadata = admin.inner().fetch_metadata(Some("kept"), Duration::from_secs(10))?;
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
    Ok(())
}
