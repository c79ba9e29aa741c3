//! A Redis whose settings let it lose data.

use std::net::TcpListener;

use stack::wait_for;

use crate::{
    operate::measured,
    world::{LIMIT, World},
};

impl World {
    async fn in_redis(&self, command: &str) {
        let mut words = command.split(' ');
        let mut run = redis::cmd(words.next().unwrap());
        run.arg(words.collect::<Vec<_>>()).exec_async(&mut self.redis().await).await.unwrap();
    }
}

/// The metric of one setting.
fn series(setting: &str) -> String {
    format!("interaction_redis_unsafe_setting{{setting=\"{setting}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_status_and_metrics_report_settings_that_let_redis_forget() {
    let world = World::new().await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut persister = world.command(&["--metrics-address", &address, "run"]).spawn().unwrap();
    world.warm().await;
    let [policy, log, sync] = ["maxmemory-policy", "appendonly", "appendfsync"].map(series);
    measured(&address, &[(&policy, 0.0), (&log, 0.0), (&sync, 0.0)]).await;
    let healthy = world.ask(&["status"]).await.1;
    assert!(healthy.contains("maxmemory-policy noeviction, appendonly yes, appendfsync always"), "{healthy}");

    for set in ["maxmemory-policy allkeys-lru", "appendonly no", "appendfsync everysec"] {
        world.in_redis(&format!("CONFIG SET {set}")).await;
    }
    let (code, status) = world.ask(&["status", "--json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(code, 3);
    let down = status["down"].to_string();
    let unsafe_settings =
        ["maxmemory-policy allkeys-lru, not noeviction", "appendonly no, not yes", "appendfsync everysec, not always"];
    let is_down = |setting: &&str| down.contains(&format!("not safe in Redis: {setting}"));
    assert!(unsafe_settings.iter().all(is_down), "{down}");
    measured(&address, &[(&policy, 1.0), (&log, 1.0), (&sync, 1.0)]).await;
    persister.kill().await.unwrap();
    let warm = world.another("warm");
    warm.start().await.unwrap();
    wait_for("the warnings", LIMIT, async || {
        let log = warm.log_tail(50);
        Ok(unsafe_settings.iter().all(|setting| log.contains(setting)).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_refuses_config_is_judged_by_what_info_says() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let settings = async || {
        let status = &world.ask(&["status", "--json"]).await.1;
        let status: serde_json::Value = serde_json::from_str(status).unwrap();
        let found = |at: usize| status["redis"]["up"]["settings"][at]["found"][0].clone();
        ([found(0), found(1), found(2)], status["down"].to_string())
    };
    world.in_redis("ACL SETUSER persister -config").await;
    let (found, down) = settings().await;
    assert_eq!(found, ["noeviction".into(), "yes".into(), serde_json::Value::Null]);
    assert!(!down.contains("not safe"), "an unknown setting does not count as down: {down}");
    let screen = world.ask(&["status"]).await.1;
    assert!(screen.contains("appendonly yes, appendfsync not known"), "{screen}");

    world.in_redis("CONFIG SET maxmemory-policy volatile-lru").await;
    let (_, down) = settings().await;
    assert!(down.contains("not safe in Redis: maxmemory-policy volatile-lru, not noeviction"), "{down}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_keeps_changes_needs_no_append_only_file_and_must_not_evict() {
    let world = World::new().await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut run = world.command(&["--metrics-address", &address, "run"]);
    let _persister = run.env("INTERACTION_REDIS_DURABILITY", "provider").spawn().unwrap();
    world.warm().await;
    world.in_redis("ACL SETUSER persister -config").await;
    world.in_redis("CONFIG SET appendonly no").await;
    let (code, status) = world.ask(&["status"]).await;
    assert_eq!(code, 3);
    assert!(status.contains("not safe in Redis: appendonly no, not yes"), "{status}");

    let by_provider = ["status", "--redis-durability", "provider"];
    // The first snapshot and the first ranking take some seconds, and count as down until then.
    let status = wait_for("nothing to be down", LIMIT, async || {
        let (code, status) = world.ask(&by_provider).await;
        Ok((code == 0).then_some(status))
    })
    .await
    .unwrap();
    assert!(status.contains("maxmemory-policy noeviction, durability left to the provider"), "{status}");
    let policy = series("maxmemory-policy");
    let metrics = measured(&address, &[(&policy, 0.0)]).await;
    assert!(!metrics.contains(&series("appendonly")) && !metrics.contains(&series("appendfsync")), "{metrics}");

    world.in_redis("CONFIG SET maxmemory-policy volatile-lru").await;
    let (code, status) = world.ask(&by_provider).await;
    assert_eq!(code, 3);
    assert!(status.contains("not safe in Redis: maxmemory-policy volatile-lru, not noeviction"), "{status}");
    measured(&address, &[(&policy, 1.0)]).await;
}
