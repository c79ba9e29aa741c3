//! What operators see.

use std::{collections::BTreeMap, net::TcpListener, process::Stdio};

use contract::{Change, Kind, Partition, Truth, keys};
use serde_json::json;
use stack::wait_for;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    time::timeout,
};

use crate::world::{LIMIT, World, any_of, event, place_of, record, signal};

/// Metrics in Prometheus's format: each series with its value.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    fn of(text: &str) -> Self {
        let series = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(
            series
                .map(|line| line.rsplit_once(' ').unwrap())
                .map(|(of, n)| (of.to_owned(), n.parse().unwrap()))
                .collect(),
        )
    }

    fn get(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }
}

async fn get(address: &str, path: &str) -> anyhow::Result<String> {
    Ok(reqwest::get(format!("http://{address}{path}")).await?.error_for_status()?.text().await?)
}

/// Waits until the series have these values. Returns the whole scrape.
pub(crate) async fn measured(address: &str, expected: &[(&str, f64)]) -> String {
    let mut last = String::new();
    let waited = wait_for("the metrics", LIMIT, async || {
        last = get(address, "/metrics").await?;
        let scrape = Scrape::of(&last);
        Ok(expected.iter().all(|(series, value)| scrape.get(series) == Some(*value)).then_some(()))
    });
    waited.await.unwrap_or_else(|error| panic!("{error}: {expected:?} in\n{last}"));
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_status_tell_what_is_there_and_what_is_down() {
    let world = World::new().await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut persister = world.command(&["--metrics-address", &address, "run"]).spawn().unwrap();
    world.warm().await;
    let mut caller = world.caller().await;
    for kind in Kind::ALL.iter().copied() {
        for user in 1..=30 {
            caller.toggled(kind, user, 42 + place_of(kind), true).await;
        }
    }
    world.settled().await;
    let again = (1..100).map(event).find(|event| matches!(event.change, Change::Switch(..))).unwrap();
    world.publish([record(&again), record(&again), ("42".parse().unwrap(), b"no event".to_vec())]).await;
    world.consumed().await;
    let Change::Switch(twice, _) = again.change else { unreachable!() };
    let [by_redis, by_mysql] = [Truth::Redis, Truth::Mysql].map(|of| 30.0 * Kind::of(of).map(|_| 1.0).sum::<f64>());
    let mut of_kinds = Vec::new();
    for kind in Kind::ALL.iter().copied() {
        let more = if kind == twice { 2.0 } else { 0.0 };
        of_kinds.push((format!("interaction_consumer_events_total{{type=\"{kind}\"}}"), 30.0 + more));
        if kind.truth() == Truth::Redis {
            of_kinds.push((format!("interaction_consumer_rows_written_total{{kind=\"{kind}\"}}"), 30.0 + more / 2.0));
            of_kinds.push((format!("interaction_consumer_rows_skipped_total{{kind=\"{kind}\"}}"), more / 2.0));
        }
    }
    let of_kinds: Vec<(&str, f64)> = of_kinds.iter().map(|(series, value)| (series.as_str(), *value)).collect();
    measured(&address, &of_kinds).await;

    let text = measured(
        &address,
        &[
            ("interaction_relay_entries_total{outbox=\"redis\"}", by_redis),
            ("interaction_relay_entries_total{outbox=\"mysql\"}", by_mysql),
            ("interaction_projected_entries_total", by_mysql),
            ("interaction_projection_lag_seconds_count", by_mysql),
            ("interaction_mysql_outbox_entries{waiting_for=\"kafka\"}", 0.0),
            ("interaction_mysql_outbox_entries{waiting_for=\"redis\"}", 0.0),
            ("interaction_dead_letters_total{reason=\"undecodable\"}", 1.0),
            ("interaction_event_lag_seconds_count", by_redis + 2.0),
            ("interaction_consumer_batch_events_sum", by_redis + by_mysql + 3.0),
            ("interaction_trends_events_total{outcome=\"counted\"}", by_redis + by_mysql + 1.0),
            ("interaction_trends_events_total{outcome=\"repeated\"}", 1.0),
            ("interaction_partitions{state=\"warm\"}", 128.0),
            ("interaction_partitions{state=\"cold\"}", 0.0),
            ("interaction_outbox_entries", 0.0),
            ("interaction_consumer_lag_events", 0.0),
            ("interaction_consumers", 1.0),
            ("interaction_relays", 1.0),
            ("interaction_warmers", 1.0),
            ("interaction_dead_letters_open", 1.0),
            ("interaction_rebuilds_total", 1.0),
            ("interaction_store_up{store=\"redis\"}", 1.0),
            ("interaction_store_up{store=\"mysql\"}", 1.0),
            ("interaction_store_up{store=\"kafka\"}", 1.0),
        ],
    )
    .await;
    assert!(text.contains("# HELP interaction_outbox_entries "), "{text}");
    // The age of something that never happened is infinite.
    wait_for("a snapshot and a ranking", LIMIT, async || {
        let scrape = Scrape::of(&get(&address, "/metrics").await?);
        let ages = ["interaction_ranking_age_seconds", "interaction_snapshot_age_seconds"].map(|age| scrape.get(age));
        Ok(ages.iter().all(|age| age.is_some_and(f64::is_finite)).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(get(&address, "/health").await.unwrap(), "OK");

    let (code, out) = world.ask(&["status"]).await;
    assert_eq!(code, 0, "{out}");
    assert!(out.lines().count() < 24, "one screen");
    let status = &world.ask_json(&["status", "--json"]).await[0];
    assert_eq!(status["down"], json!([]));
    assert_eq!(status["redis"]["up"]["warm"], 128);
    assert_eq!(status["kafka"]["up"]["dead_letters_not_replayed"], 1);

    // Without a relay the outbox grows, and status says so.
    persister.kill().await.unwrap();
    caller.toggled(any_of(Truth::Redis), 31, 42, true).await;
    wait_for("the relay to be missed", LIMIT, async || {
        let (code, out) = world.ask(&["status"]).await;
        Ok((code == 3 && out.contains("no relay runs") && out.contains("1 entry")).then_some(()))
    })
    .await
    .unwrap();

    // While one store is down, status still shows the others.
    let mut persister = world.command(&["--metrics-address", &address, "run"]).spawn().unwrap();
    world.outboxes_empty().await;
    world.redis.kill().await.unwrap();
    let (code, out) = world.ask(&["status", "--json"]).await;
    let status: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &status["mysql"]["up"]["relays"].is_i64()), (3, &true), "{out}");
    assert!(status["redis"]["down"].is_string() && status["kafka"]["up"].is_object(), "{out}");
    measured(&address, &[("interaction_store_up{store=\"redis\"}", 0.0), ("interaction_dead_letters_open", 1.0)]).await;
    wait_for("what Redis said to be forgotten", LIMIT, async || {
        let scrape = Scrape::of(&get(&address, "/metrics").await?);
        Ok(scrape.get("interaction_partitions{state=\"warm\"}").is_none().then_some(()))
    })
    .await
    .unwrap();
    persister.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_watched_by_tools_and_by_people_until_it_is_interrupted() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    wait_for("all to be well", LIMIT, async || Ok((world.ask(&["status"]).await.0 == 0).then_some(()))).await.unwrap();
    timeout(LIMIT, watched_by_a_tool(&world)).await.expect("in time");
    timeout(LIMIT, watched_in_a_terminal(&world)).await.expect("in time");
}

/// As a pod on Kubernetes that starts before network policies let it reach Redis.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_waits_for_a_redis_that_cannot_be_reached_yet() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    world.redis.kill().await.unwrap();
    let mut compare = world.command(&["reconcile"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(compare.stderr.take().unwrap()).lines();
    let waits = async { while !said.next_line().await.unwrap().unwrap().contains("cannot be reached yet") {} };
    timeout(LIMIT, waits).await.expect("it waits");
    world.redis.start().await.unwrap();
    world.warm().await;
    assert!(timeout(LIMIT, compare.wait()).await.expect("in time").unwrap().success());
}

async fn watched_by_a_tool(world: &World) {
    let mut watch = world.command(&["status", "--watch", "1", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut looks = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut look =
        async || -> serde_json::Value { serde_json::from_str(&looks.next_line().await.unwrap().unwrap()).unwrap() };
    let first = look().await;
    assert!(first["rates"].is_null() && first["redis"]["up"].is_object(), "{first}");
    let mut caller = world.caller().await;
    for user in 1..=50 {
        caller.toggled(any_of(Truth::Redis), user, 42, true).await;
    }
    let (mut written, mut consumed) = (0.0, 0.0);
    while written < 49.9 || consumed < 49.9 {
        let rates = look().await["rates"].clone();
        let moved = |of: &str| rates[of].as_f64().unwrap() * rates["seconds"].as_f64().unwrap();
        written += moved("written");
        consumed += moved("consumed");
    }
    signal("INT", &watch);
    assert!(watch.wait().await.unwrap().success());
}

/// Watches in a terminal, which `script` makes.
async fn watched_in_a_terminal(world: &World) {
    let plain = world.command(&["status", "--watch", "1"]);
    let words = std::iter::once(plain.as_std().get_program()).chain(plain.as_std().get_args());
    let line = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
    let line = format!("exec {line}");
    let environment = plain.as_std().get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut keys, mut shown) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let mut screen = Vec::new();
    let from_the_top = "\x1b[1;1H";
    while String::from_utf8_lossy(&screen).matches(from_the_top).count() < 2 {
        assert_ne!(shown.read_buf(&mut screen).await.unwrap(), 0, "{}", String::from_utf8_lossy(&screen));
    }
    keys.write_all(b"\x03").await.unwrap();
    shown.read_to_end(&mut screen).await.unwrap();
    let screen = String::from_utf8(screen).unwrap();
    assert!(terminal.wait().await.unwrap().success() && screen.contains("\x1b[?25h"), "{screen}");
    assert!(screen.contains("nothing is down") && screen.contains("outbox grows by"), "{screen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_reports_a_partition_that_is_not_served() {
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    persister.kill().await.unwrap();
    let partition = Partition::from_number(5).unwrap();
    redis::cmd("DEL").arg(keys::warm(partition)).exec_async(&mut world.redis().await).await.unwrap();
    let (code, out) = world.ask(&["status"]).await;
    assert_eq!(code, 3);
    assert!(
        out.contains("127 warm, 1 cold, 0 rebuilding") && out.contains("not served by Redis: 1 partition"),
        "{out}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn status_reports_that_nobody_runs_warm_even_while_nothing_is_warm() {
    let world = World::new().await;
    let (code, out) = world.ask(&["status"]).await;
    assert!(code == 3 && out.contains("0 warm, 128 cold") && out.contains("nobody runs `warm`"), "{out}");

    let warmers = async |count: i64| {
        wait_for("the warmers to be counted", LIMIT, async || {
            let (_, out) = world.ask(&["status", "--json"]).await;
            let status: serde_json::Value = serde_json::from_str(&out)?;
            let missed = status["down"].as_array().is_some_and(|down| down.contains(&json!("nobody runs `warm`")));
            Ok((status["mysql"]["up"]["warmers"] == count && missed == (count == 0)).then_some(()))
        })
        .await
        .unwrap();
    };
    let mut first = world.start("warm");
    let mut second = world.start("warm");
    warmers(2).await;
    // A warmer that is stopped deletes its row. One that is killed cannot, so it is missed some seconds later.
    signal("TERM", &first);
    assert!(first.wait().await.unwrap().success());
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM warmer").fetch_one(&world.mysql).await.unwrap();
    assert_eq!(left, 1);
    second.kill().await.unwrap();
    warmers(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_reports_a_projection_that_stands_still() {
    let world = World::new().await;
    let mut persister = world.start("run");
    world.warm().await;
    persister.kill().await.unwrap();
    let _others = world.start("warm");
    world.caller().await.toggled(any_of(Truth::Mysql), 7, 42, true).await;
    let (_, out) = world.ask(&["status"]).await;
    assert!(out.contains("1 waiting for Kafka, 1 for Redis") && !out.contains("not shown by Redis"), "{out}");
    sqlx::query("UPDATE outbox SET at_ms = at_ms - 60000").execute(&world.mysql).await.unwrap();
    let (code, out) = world.ask(&["status"]).await;
    assert!(code == 3 && out.contains("not shown by Redis for more than 20 s: 1 change in MySQL"), "{out}");
}
