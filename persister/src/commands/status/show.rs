//! The status as a table on one screen.

use std::time::Duration;

use indicatif::HumanBytes;

use super::rates::Rates;
use crate::{
    config::RedisDurability,
    ledger::{
        redis_settings::Setting,
        status::{
            Asked, KafkaStatus, MysqlStatus, Rebuild, RedisStatus, STALE_PROJECTION, STALE_RANKING, STALE_SNAPSHOT,
            Status,
        },
    },
    output::{counted, table},
};

/// The whole table, with rates if there was an earlier measurement.
pub(super) fn screen(status: &Status, rates: Option<&Rates>) -> String {
    let mut rows = table(&["what", "state", "in numbers"]);
    let mut add = |what: &str, state: &str, text: String| {
        rows.add_row([what, state, &text]);
    };
    store(&mut add, "redis", &status.redis, redis);
    store(&mut add, "mysql", &status.mysql, mysql);
    store(&mut add, "kafka", &status.kafka, kafka);
    if let Some(rates) = rates {
        moving(&mut add, rates);
    }
    let down = if status.down.is_empty() {
        "nothing is down".to_owned()
    } else {
        ["DOWN"].into_iter().chain(status.down.iter().map(String::as_str)).collect::<Vec<_>>().join("\n  ")
    };
    format!("{rows}\n\n{down}")
}

/// Unknown values are left out.
fn moving(add: Add<'_>, rates: &Rates) {
    let mut row = |what, rate: Option<f64>, of| {
        if let Some(rate) = rate {
            add(what, "", format!("{rate:.1} {of} a second"));
        }
    };
    row("  into Kafka", rates.written, "events");
    row("  into MySQL", rates.consumed, "events");
    row("  lag grows by", rates.lag_growth, "events");
    row("  outbox grows by", rates.outbox_growth, "entries");
}

/// Takes a line's name, its state and its numbers.
type Add<'a> = &'a mut dyn FnMut(&str, &str, String);

fn store<T>(add: Add<'_>, name: &str, asked: &Asked<T>, rows: impl FnOnce(Add<'_>, &T)) {
    match asked {
        Asked::Up(status) => rows(add, status),
        Asked::Down(why) => add(name, "DOWN", why.clone()),
    }
}

const fn well(good: bool) -> &'static str {
    if good { "ok" } else { "DOWN" }
}

fn redis(add: Add<'_>, status: &RedisStatus) {
    let limit = if status.maxmemory_bytes == 0 {
        "no limit set".to_owned()
    } else {
        format!("limit {}", HumanBytes(status.maxmemory_bytes))
    };
    let memory = HumanBytes(status.used_memory_bytes);
    add("redis", "ok", format!("{}, {memory} used, {limit}", status.version));
    let mut settings: Vec<String> = status.settings.iter().map(ToString::to_string).collect();
    if status.durability == RedisDurability::Provider {
        settings.push("durability left to the provider".to_owned());
    }
    add("settings", well(!status.settings.iter().any(Setting::is_wrong)), settings.join(", "));
    let fenced = status.cold + status.rebuilding;
    let RedisStatus { warm, cold, rebuilding, .. } = status;
    add("partitions", well(fenced == 0), format!("{warm} warm, {cold} cold, {rebuilding} rebuilding"));
    let RedisStatus { outbox_entries, outbox_longest, outbox_longest_partition, outbox_oldest_seconds, .. } = status;
    let which = format!(
        ", longest {outbox_longest} (partition {outbox_longest_partition}), oldest {outbox_oldest_seconds:.1} s"
    );
    let which = if *outbox_entries > 0 { which.as_str() } else { "" };
    add("outbox", "", counted(*outbox_entries, "entry") + which);
}

fn mysql(add: Add<'_>, status: &MysqlStatus) {
    add("mysql", "ok", status.version.clone());
    let MysqlStatus { outbox_to_ship, outbox_to_project, projection_behind_seconds: behind, .. } = status;
    let waiting = format!("{outbox_to_ship} waiting for Kafka, {outbox_to_project} for Redis");
    let oldest = if *outbox_to_project > 0 { format!(", oldest {behind:.1} s") } else { String::new() };
    add("mysql outbox", well(*behind <= STALE_PROJECTION), waiting + &oldest);
    add("relays", well(status.relays > 0), status.relays.to_string());
    add("warmers", well(status.warmers > 0), status.warmers.to_string());
    let snapshot = status.snapshot.as_ref();
    let last = snapshot
        .map(|of| format!("{:.1} s ago, {} in {} ms", of.seconds_ago, counted(of.articles, "article"), of.took_ms));
    let fresh = snapshot.is_some_and(|of| of.seconds_ago <= STALE_SNAPSHOT);
    add("snapshot", well(fresh), last.unwrap_or_else(|| "never".to_owned()));
    let ranked = status.ranking_seconds_ago;
    let last = ranked.map_or_else(|| "never".to_owned(), |seconds| format!("of {seconds:.1} s ago"));
    add("ranking", well(ranked.is_some_and(|seconds| seconds <= STALE_RANKING)), last);
    match &status.last_rebuild {
        Some(rebuild) => last_rebuild(add, rebuild),
        None => add("last rebuild", "", "never".to_owned()),
    }
}

fn last_rebuild(add: Add<'_>, rebuild: &Rebuild) {
    let Rebuild { noticed, partitions, members, lost_of, lost_waiting, lost_from, .. } = rebuild;
    let took = Duration::from_millis(rebuild.took_ms.unsigned_abs()).as_secs_f64();
    let what = format!("{}, {}", counted(*partitions, "partition"), counted(*members, "member"));
    let ended =
        if rebuild.took_ms == 0 { "not finished, as far as is known".to_owned() } else { format!("in {took:.1} s") };
    add("last rebuild", "", format!("{noticed:.0}: {what} {ended}"));
    let lost = match lost_from {
        _ if *lost_of == 0 => "nothing: it had not served before".to_owned(),
        Some(from) => {
            let seconds = noticed.duration_since(*from).as_secs_f64();
            format!("{lost_waiting} seen waiting, and what was acknowledged in the {seconds:.1} s before")
        }
        None => format!("{lost_waiting} seen waiting; how much came after is not known"),
    };
    add("  lost at most", "", lost);
}

fn kafka(add: Add<'_>, status: &KafkaStatus) {
    let KafkaStatus { brokers, topic_partitions, consumers, lag_events, lag_longest_events, dead_letters, .. } = status;
    let (brokers, partitions) = (counted(*brokers, "broker"), counted(*topic_partitions, "partition"));
    add("kafka", "ok", format!("{brokers}, {partitions} of events"));
    let lag = counted(*lag_events, "event");
    let lag = format!("{consumers}, {lag} behind, {lag_longest_events} in one partition");
    add("consumers", well(*consumers > 0), lag);
    let open = status.dead_letters_not_replayed.map_or_else(|| "?".to_owned(), |open| open.to_string());
    add("dead letters", "", format!("{dead_letters} held, {open} not replayed"));
}
