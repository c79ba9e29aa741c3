//! The history of articles by day: each change in its day, once.

use std::{collections::BTreeMap, fs};

use contract::{ArticleNumber, Cause, Change, Counter, Event, Kind, Partition, Truth, Version, keys};
use jiff::{Timestamp, tz::Offset};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use stack::wait_for;

use crate::world::{LIMIT, World, event, place_of, record};

const DAY_MS: u64 = 86_400_000;

/// By article, day and counter: how often it was raised, and how often lowered.
pub(crate) type History = BTreeMap<(i64, String, u8), (i64, i64)>;

/// The day that is so many days ago.
fn day(ago: u64) -> String {
    date(midnight() - ago * DAY_MS)
}

fn date(ms: u64) -> String {
    Offset::UTC.to_datetime(Timestamp::from_millisecond(ms.cast_signed()).unwrap()).date().to_string()
}

/// When today began.
fn midnight() -> u64 {
    Timestamp::now().as_millisecond().unsigned_abs() / DAY_MS * DAY_MS
}

/// Changes of all kinds and reads of the last two days, as outboxes have them: the versions of each outbox grow. The
/// middle of them happens at midnight. Every tenth is no deed of a user.
fn deeds(first: u64, count: u64) -> Vec<Event> {
    let (causes, midnight) = ([Cause::Revoke, Cause::Erase], midnight());
    let deed = |place: u64| {
        let deed = event(place);
        let kind = Kind::ALL[usize::try_from(place / 2).unwrap() % Kind::ALL.len()];
        let change = if let Change::Switch(_, on) = deed.change { Change::Switch(kind, on) } else { deed.change };
        let cause =
            if place.is_multiple_of(10) { causes[usize::try_from(place / 10 % 2).unwrap()] } else { Cause::User };
        Event { version: Version { ms: midnight - count / 2 + place - first, seq: place }, change, cause, ..deed }
    };
    (first..first + count).map(deed).collect()
}

fn expected<'a>(events: impl IntoIterator<Item = &'a Event>) -> History {
    let mut history = History::new();
    for event in events.into_iter().filter(|event| event.cause == Cause::User) {
        let (counter, on) = match event.change {
            Change::Switch(kind, on) => (Counter::Of(kind), on),
            Change::Read(_) => (Counter::Reads, true),
        };
        let key = (event.article.number().get(), date(event.version.ms), counter.code());
        let moved = history.entry(key).or_default();
        *(if on { &mut moved.0 } else { &mut moved.1 }) += 1;
    }
    history
}

impl World {
    async fn history(&self) -> History {
        let rows: Vec<(i64, String, u8, i64, i64)> =
            sqlx::query_as("SELECT article_id, CAST(day AS CHAR), counter, gained, lost FROM history")
                .fetch_all(&self.mysql)
                .await
                .unwrap();
        rows.into_iter()
            .map(|(article, day, counter, gained, lost)| ((article, day, counter), (gained, lost)))
            .collect()
    }

    /// The history, once every event that is in Kafka now is counted.
    pub(crate) async fn counted_history(&self) -> History {
        self.counted().await;
        self.history().await
    }

    pub(crate) async fn run_sql(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.mysql).await.unwrap();
    }

    /// Sets an article's page views, and lets so many visitors see it, as the script does.
    pub(crate) async fn viewed(&self, article: i64, pv: u64, visitors: u64) {
        let number = ArticleNumber::try_from(article).unwrap();
        let mut view = redis::pipe();
        view.atomic().set(keys::pv(number), pv);
        for visitor in 0..visitors {
            view.cmd("PFADD").arg(keys::uv(number)).arg(visitor);
        }
        view.sadd(keys::changed(Partition::of(number)), article);
        view.exec_async(&mut self.redis().await).await.unwrap();
    }

    /// Waits until MySQL has these page views, and nothing waits for the rankings.
    pub(crate) async fn views_saved(&self, article: i64, pv: u64) {
        wait_for("the snapshot", LIMIT, async || {
            let saved: Option<u64> =
                sqlx::query_scalar("SELECT CAST(pv AS UNSIGNED) FROM article_stats WHERE article_id = ?")
                    .bind(article)
                    .fetch_optional(&self.mysql)
                    .await?;
            let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM viewed").fetch_one(&self.mysql).await?;
            Ok((saved == Some(pv) && waiting == 0).then_some(()))
        })
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_deed_is_in_its_day_once_whatever_comes_twice_or_late_and_however_often_the_job_is_killed() {
    let world = World::new().await;
    let mut trends = world.start("trends");
    let mut all = Vec::new();
    for round in 0..4_u64 {
        let mut deeds = deeds(round * 10_000, 4000);
        for some in deeds.chunks_mut(200) {
            some.shuffle(&mut StdRng::seed_from_u64(round));
        }
        world.publish(deeds[..2000].iter().map(record)).await;
        if round % 2 == 1 {
            world.counted().await;
        }
        trends.kill().await.unwrap();
        // What a relay sends again, and what it sent too late.
        world.publish(deeds[2000..].iter().chain(&deeds[1500..2500]).map(record)).await;
        all.extend(deeds);
        trends = world.start("trends");
    }
    let history = expected(&all);
    let days: Vec<&String> = history.keys().map(|(_, day, _)| day).collect();
    assert!(days.contains(&&day(0)) && days.contains(&&day(1)) && history.len() > 200, "{}", history.len());
    assert_eq!(world.counted_history().await, history);

    // Another process stands by, and goes on when the first one dies.
    let _second = world.start("trends");
    all.shuffle(&mut StdRng::seed_from_u64(7));
    world.publish(all.iter().map(record)).await;
    assert_eq!(world.counted_history().await, history);
    trends.kill().await.unwrap();
    let more = deeds(100_000, 500);
    world.publish(more.iter().map(record)).await;
    assert_eq!(world.counted_history().await, expected(all.iter().chain(&more)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_checkpoint_the_last_days_are_counted_again_and_the_days_before_them_stay() {
    let world = World::new().await;
    let mut trends = world.start("trends");
    let deeds = deeds(0, 2000);
    world.publish(deeds.iter().map(record)).await;
    let mut history = expected(&deeds);
    assert_eq!(world.counted_history().await, history);

    trends.kill().await.unwrap();
    world.run_sql("DELETE FROM trends").await;
    world
        .run_sql("INSERT INTO history VALUES (1, UTC_DATE() - INTERVAL 20 DAY, 1, 5, 2), (1, UTC_DATE(), 254, 9, 0)")
        .await;
    history.insert((1, day(20), Kind::Like.code()), (5, 2));
    history.insert((1, day(0), Counter::Pv.code()), (9, 0));
    let _trends = world.start("trends");
    assert_eq!(world.counted_history().await, history);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_users_do_is_in_the_history_and_what_is_revoked_erased_repaired_or_imported_is_not() {
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    let mut done = History::new();
    for kind in Kind::ALL.iter().copied() {
        let article = 42 + place_of(kind);
        for user in 1..=9 {
            let address = if user > 7 { "bad" } else { "good" };
            assert_eq!(caller.toggle(kind, user, article, true, address).await, Ok(()));
        }
        for user in 1..=2 {
            caller.toggled(kind, user, article, false).await;
        }
        done.insert((article, day(0), kind.code()), (9, 2));
    }
    world.settled().await;
    assert_eq!(world.counted_history().await, done);

    assert_eq!(world.ask(&["revoke", "--ip-hash", "bad", "--execute"]).await.0, 0);
    assert_eq!(world.ask(&["erase", "--user", "3"]).await.0, 0);
    // Make the store that follows lose a pair. The repair states it again.
    let redis = Kind::of(Truth::Redis).next().unwrap();
    sqlx::query("DELETE FROM interaction WHERE user_id = 4 AND kind = ?")
        .bind(redis.code())
        .execute(&world.mysql)
        .await
        .unwrap();
    assert_eq!(world.ask(&["reconcile", "--repair"]).await.0, 0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv").display().to_string();
    let rows = Kind::ALL.iter().map(|kind| format!("{kind},500,{},2020-01-02T03:04:05Z\n", 42 + place_of(*kind)));
    fs::write(&file, format!("kind,user_id,article_id,at\n{}", rows.collect::<String>())).unwrap();
    let rejected = folder.path().join("rejected").display().to_string();
    assert_eq!(world.ask(&["import", &file, "--rejected", &rejected]).await.0, 0);
    world.settled().await;
    assert_eq!(world.counted_history().await, done);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_and_new_visitors_are_in_the_day_of_their_snapshot_once_and_an_import_is_in_none() {
    let world = World::new().await;
    let _others = [world.start("warm"), world.start("trends")];
    world.warm().await;
    let mut snapshot = world.start("snapshot");
    let (viewed, imported) = (1_i64, 2_i64);
    for round in 1..=5 {
        world.viewed(viewed, 10 * round, 2 * round).await;
        if round % 2 == 0 {
            world.views_saved(viewed, 10 * round).await;
        }
        snapshot.kill().await.unwrap();
        snapshot = world.start("snapshot");
    }
    world.views_saved(viewed, 50).await;
    let (pv, uv) = (Counter::Pv.code(), Counter::Uv.code());
    let mut history: History = [((viewed, day(0), pv), (50, 0)), ((viewed, day(0), uv), (10, 0))].into();
    assert_eq!(world.history().await, history);

    // A day later.
    world.run_sql("UPDATE history SET day = day - INTERVAL 1 DAY").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("counters.csv").display().to_string();
    // The second row of an article changes nothing.
    fs::write(&file, format!("article_id,pv,reads\n{imported},1000,7\n{viewed},1000,7\n{imported},2000,7\n")).unwrap();
    let rejected = folder.path().join("rejected").display().to_string();
    assert_eq!(world.ask(&["import", &file, "--rejected", &rejected]).await.0, 3, "two of them have counters here");
    world.viewed(viewed, 53, 10).await;
    world.views_saved(viewed, 53).await;
    world.views_saved(imported, 1000).await;
    world.viewed(imported, 1004, 3).await;
    world.views_saved(imported, 1004).await;
    history = [
        ((viewed, day(1), pv), (50, 0)),
        ((viewed, day(1), uv), (10, 0)),
        ((viewed, day(0), pv), (3, 0)),
        ((imported, day(0), pv), (4, 0)),
        ((imported, day(0), uv), (3, 0)),
    ]
    .into();
    assert_eq!(world.history().await, history);

    world.counted().await;
    let ranked: Vec<(u8, i64, i64)> =
        sqlx::query_as("SELECT kind, article_id, gained FROM ranking WHERE span = 'week' ORDER BY kind DESC, place")
            .fetch_all(&world.mysql)
            .await
            .unwrap();
    assert_eq!(ranked, [(pv, viewed, 53), (pv, imported, 4), (uv, viewed, 10), (uv, imported, 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_kept_for_as_long_as_the_site_wants_and_no_longer() {
    let world = World::new().await;
    world
        .run_sql(
            "INSERT INTO history (article_id, day, counter, gained)
             WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 99)
             SELECT a.n + 1, UTC_DATE() - INTERVAL d.n DAY, 1, 1 FROM n a, n d",
        )
        .await;
    let _others = world.start("warm");
    world.warm().await;
    let _snapshot = world.command(&["snapshot", "--history-days", "30", "--snapshot-seconds", "1"]).spawn().unwrap();
    wait_for("all that is old to go", LIMIT, async || {
        let old: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM history WHERE day < UTC_DATE() - INTERVAL 30 DAY")
            .fetch_one(&world.mysql)
            .await?;
        Ok((old == 0).then_some(()))
    })
    .await
    .unwrap();
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM history").fetch_one(&world.mysql).await.unwrap();
    assert_eq!(left, 31 * 100);
}
