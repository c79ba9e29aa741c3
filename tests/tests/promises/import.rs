//! Importing from another system, and exporting the whole state.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    fs,
    process::Stdio,
};

use contract::{ArticleNumber, Counter, Kind, Partition, Truth, keys};
use jiff::Timestamp;
use serde_json::{Value, json};
use stack::wait_for;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, time::timeout};

use crate::{
    tables::On,
    world::{LIMIT, World, any_of, place_of, signal},
};

const AT: &str = "2020-01-02T03:04:05.678Z";
const HEADING: &str = "kind,user_id,article_id,at\n";
/// Rows that an import brings in together.
const BATCH: u64 = 10_000;

/// Files of one test.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// The number of each rejected row, and the first word of its reason.
    fn rejected(&self) -> Vec<(u64, String)> {
        let text = fs::read_to_string(self.path("rejected")).unwrap_or_default();
        let row = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["row"].as_u64().unwrap(), line["reason"].as_str().unwrap().split(' ').next().unwrap().to_owned())
        };
        text.lines().map(row).collect()
    }
}

impl World {
    /// Runs an import to its end. Returns its exit code and its report.
    async fn import(&self, files: &Files, arguments: &[&str]) -> (i32, Value) {
        let rejected = files.path("rejected");
        // The rows of an earlier import.
        let _ = fs::remove_file(&rejected);
        let arguments = [&["import", "--json", "--rejected", &rejected], arguments].concat();
        let (code, out) = self.ask(&arguments).await;
        (code, serde_json::from_str(&out).unwrap())
    }

    async fn export(&self, table: &str) -> BTreeSet<String> {
        let (code, out) = self.ask(&["export", "--table", table]).await;
        assert_eq!(code, 0);
        out.lines().map(str::to_owned).collect()
    }

    /// Whether an import has the lock for a batch.
    async fn is_importing(&self) -> sqlx::Result<bool> {
        let of = "SELECT IS_USED_LOCK(CONCAT('interaction.', LEFT(SHA2(CONCAT(DATABASE(), ' in or out'), 256), 32)))";
        let of: Option<i64> = sqlx::query_scalar(of).fetch_one(&self.mysql).await?;
        Ok(of.is_some())
    }

    /// Waits until the stores say the same of the articles up to this number, and returns it. A name has a greater number.
    async fn agreed(&self, articles: i64) -> On {
        self.settled().await;
        let mut standing = self.standing().await;
        standing.retain(|(.., article)| *article <= articles);
        assert_eq!(self.standing_in_redis(1..=articles).await, standing);
        standing
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_brings_what_is_not_here_and_changes_nothing_that_is() {
    let (world, files) = (World::new().await, Files::new());
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    let mut expected = On::new();
    let mut csv = HEADING.to_owned();
    for kind in Kind::ALL.iter().copied() {
        let article = 1 + place_of(kind);
        // User 1 has switched it off here, user 2 has it on, and user 3 is new and comes twice.
        for on in [true, false] {
            caller.toggled(kind, 1, article, on).await;
        }
        caller.toggled(kind, 2, article, true).await;
        expected.extend([2, 3].map(|user| (kind, user, article)));
        for user in [1, 2, 3, 3] {
            writeln!(csv, "{kind},{user},{article},{AT}").unwrap();
        }
    }
    let rows = 4 * Kind::ALL.len() as u64;
    let kind = any_of(Truth::Redis);
    let mut rejected = Vec::new();
    for (bad, why) in [
        (format!("{kind},7,50,"), "at:"),
        (format!("{kind},7,50,\\N"), "at:"),
        (format!("{kind},7,50,1969-12-31 23:59:59"), "at:"),
        (format!("{kind},7,50,0000-00-00 00:00:00"), "at:"),
        (format!("{kind},7,50,2999-01-01T00:00:00Z"), "at:"),
        (format!("hearts,7,50,{AT}"), "kind:"),
        (format!("{kind},a b,50,{AT}"), "user_id:"),
        (format!("{kind},7,,{AT}"), "article_id:"),
        ("7,50".to_owned(), "CSV"),
    ] {
        rejected.push((rows + 1 + rejected.len() as u64, why.to_owned()));
        writeln!(csv, "{bad}").unwrap();
    }
    // An id that is a name.
    writeln!(csv, "{kind},auth0|507f,a-slug,{AT}").unwrap();
    let file = files.write("before.csv", &csv);

    let (code, report) = world.import(&files, &[&file]).await;
    assert_eq!((code, &report["rejected"]), (3, &json!(rejected.len())));
    assert_eq!(files.rejected(), rejected);
    for of in Kind::ALL.iter().copied() {
        let imported = if of == kind { 2 } else { 1 };
        assert_eq!(report[of.name()], json!({ "imported": imported, "known": 3 }), "{of}");
    }
    assert_eq!(world.agreed(60).await, expected);
    let exported = world.export("interactions").await;
    assert!(exported.contains(&format!("{kind},auth0|507f,a-slug,{AT}")), "{exported:?}");
    for of in Kind::ALL.iter().copied() {
        let line = format!("{of},3,{},{AT}", 1 + place_of(of));
        assert!(exported.contains(&line), "{line} in {exported:?}");
    }

    // A second import changes nothing, and later changes of users are newer.
    let (code, report) = world.import(&files, &[&file]).await;
    assert_eq!((code, &report["rejected"]), (3, &json!(rejected.len())));
    for of in Kind::ALL.iter().copied() {
        assert_eq!(report[of.name()]["imported"], 0, "{of}");
        caller.toggled(of, 3, 1 + place_of(of), false).await;
    }
    assert_eq!(world.import(&files, &[&file]).await.0, 3);
    let off = |(of, user, article): &(Kind, i64, i64)| *user != 3 || *article != 1 + place_of(*of);
    let standing = world.agreed(60).await;
    assert!(standing.iter().all(off), "{standing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_kinds_that_exclude_each_other_the_one_that_is_on_here_stays() {
    let (world, files) = (World::new().await, Files::new());
    let _persister = world.start("run");
    world.warm().await;
    let exclusions = Kind::ALL.iter().flat_map(|kind| kind.excludes().iter().map(|other| (*kind, *other)));
    for (article, (kind, other)) in (1_i64..).zip(exclusions) {
        world.caller().await.toggled(other, 7, article, true).await;
        let csv = format!("{HEADING}{kind},7,{article},{AT}\n{kind},8,{article},{AT}\n{other},8,{article},{AT}\n");
        let (code, report) = world.import(&files, &[&files.write("both.csv", &csv)]).await;
        assert_eq!((code, &report["rejected"]), (3, &json!(2)), "{kind} and {other}: {report}");
        let of_article: Vec<_> = world.agreed(9).await.into_iter().filter(|(.., of)| *of == article).collect();
        let eight: Vec<Kind> = of_article.iter().filter(|(_, user, _)| *user == 8).map(|(kind, ..)| *kind).collect();
        assert!(eight == [kind] || eight == [other], "{eight:?}");
        assert!(of_article.contains(&(other, 7, article)) && !of_article.contains(&(kind, 7, article)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_are_brought_where_nothing_was_counted() {
    let (world, files) = (World::new().await, Files::new());
    let _jobs = ["warm", "relay", "consume"].map(|job| world.start(job));
    world.warm().await;
    let [viewed, counted, cut_short] = [1, 2, 4].map(|article| ArticleNumber::try_from(article).unwrap());
    // One was counted here. An import of the other was killed before MySQL had its counters, and it was viewed since.
    redis::pipe()
        .set(keys::pv(counted), 5)
        .set(keys::pv(cut_short), 101)
        .exec_async(&mut world.redis().await)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO article_stats (article_id, p, pv_imported, updated_at) VALUES (4, ?, 100, UTC_TIMESTAMP(3))",
    )
    .bind(Partition::of(ArticleNumber::try_from(4).unwrap()).get())
    .execute(&world.mysql)
    .await
    .unwrap();
    let rows = "{\"article_id\": 1, \"pv\": 100, \"reads\": 40}\n{\"article_id\": \"2\", \"pv\": 100}\n\
                {\"article_id\": \"a-slug\", \"reads\": 7}\n{\"article_id\": 3, \"pv\": -1}\nnothing\n\
                {\"article_id\": 4, \"pv\": 100}\n{\"article_id\": 3, \"pv\": 9007199254740992}\n";
    let file = files.write("counters.jsonl", rows);
    let (code, report) = world.import(&files, &[&file]).await;
    assert_eq!((code, report), (3, json!({ "counters": { "imported": 2, "known": 0 }, "rejected": 5 })));
    let rejected = [(4, "pv:"), (5, "no"), (7, "pv:"), (2, "the"), (6, "the")];
    assert_eq!(files.rejected(), rejected.map(|(row, why)| (row, why.to_owned())));
    let lines = world.export("counters").await;
    assert!(lines.contains("1,100,0,40") && lines.contains("a-slug,0,0,7"), "MySQL has them at once: {lines:?}");
    // Later views are counted on top of them; repeated, the import takes neither for the other.
    let (_, report) = world.import(&files, &[&file]).await;
    assert_eq!(report["counters"], json!({ "imported": 0, "known": 2 }));
    let mut views = redis::pipe();
    views.incr(keys::pv(viewed), 1).ignore();
    for article in [viewed, cut_short] {
        views.sadd(keys::changed(Partition::of(article)), article.get()).ignore();
    }
    views.exec_async(&mut world.redis().await).await.unwrap();
    let (_, report) = world.import(&files, &[&file]).await;
    assert_eq!(report["counters"], json!({ "imported": 0, "known": 1 }));
    let _snapshot = world.start("snapshot");
    wait_for("the views", LIMIT, async || {
        let lines = world.export("counters").await;
        Ok((lines.contains("1,101,0,40") && lines.contains("4,101,0,0")).then_some(()))
    })
    .await
    .unwrap();
    let gained =
        "SELECT article_id, CAST(SUM(gained) AS SIGNED) FROM history WHERE counter = ? GROUP BY article_id ORDER BY 1";
    let pv: Vec<(i64, i64)> = sqlx::query_as(gained).bind(Counter::Pv.code()).fetch_all(&world.mysql).await.unwrap();
    assert_eq!(pv, [(1, 1), (4, 1)], "what another system counted was not viewed here today");
    assert_eq!(world.ask(&["import", &file, "--rejected", &file]).await.0, 1);
    assert_eq!(fs::read_to_string(&file).unwrap(), rows, "no file with rows is overwritten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_imported_with_what_is_wrong_in_it_named() {
    let (world, files) = (World::new().await, Files::new());
    let _persister = world.start("run");
    world.warm().await;
    let kind = any_of(Truth::Mysql);
    for sql in [
        // Without an order, MySQL would read the second key, which has all that is wanted.
        "CREATE TABLE old_likes (id INT PRIMARY KEY AUTO_INCREMENT, user_id VARCHAR(40) NULL, article_id BIGINT NULL, at DATETIME NULL,
                                 KEY (article_id, user_id, at))",
        "INSERT INTO old_likes (user_id, article_id, at) VALUES ('7', 1, '2020-01-02 03:04:05'), ('a-user', 1, '2020-01-02 03:04:05'),
             ('8', 1, NULL), ('9', NULL, '2020-01-02 03:04:05'), ('7', 1, '2020-01-02 03:04:05')",
    ] {
        sqlx::query(sql).execute(&world.mysql).await.unwrap();
    }
    let owner = world.mariadb.owner_url();
    let rejected = files.path("rejected");
    let arguments = ["import", "--json", "--rejected", &rejected, "--table", "old_likes", "--kind", kind.name()];
    let output = world.command(&arguments).env("INTERACTION_MYSQL_URL", &owner).output().await.unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report, json!({ kind.name(): { "imported": 2, "known": 1 }, "rejected": 2 }));
    assert_eq!(files.rejected(), [(3, "at:".to_owned()), (4, "article_id:".to_owned())]);
    assert_eq!(world.agreed(1).await.len(), 2);
    for arguments in [["import", "--table", "no_such"], ["import", "--table", "kind"]] {
        assert_eq!(world.ask(&arguments).await.0, 1, "{arguments:?}");
    }
}

/// What an import says when it is stopped: the number of rows that are done.
fn done(log: &[u8]) -> u64 {
    let log = String::from_utf8_lossy(log);
    let (_, after) = log.split_once("rows are done: the rest can be imported with --skip ").expect(&log);
    after.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_stopped_says_how_many_rows_are_done_and_another_goes_on_after_them() {
    let files = Files::new();
    let bad = |user: i64| format!("hearts,{user},1,{AT}\n");
    // More than a batch, then the rest. The first row and the last row are rejected.
    let all = many(6_000);
    let pairs = u64::try_from(all.lines().count() - 1).unwrap();
    let rows = pairs + 2;
    let (first, rest) = all.split_at(all.match_indices('\n').nth(10_500).unwrap().0 + 1);
    let first = first.replacen(HEADING, &(HEADING.to_owned() + &bad(1)), 1);
    let whole = files.write("whole.csv", &[&first, rest, &bad(2)].concat());
    let expected = {
        let world = World::new().await;
        let _persister = world.start("run");
        world.warm().await;
        assert_eq!(world.import(&files, &[&whole]).await.0, 3);
        assert_eq!(files.rejected(), [1, rows].map(|row| (row, "kind:".to_owned())));
        (world.agreed(20).await, world.export("interactions").await)
    };

    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let rejected = files.path("rejected");
    fs::remove_file(&rejected).unwrap();
    let mut import = world.command(&["import", "-", "--rejected", &rejected]);
    let mut import = import.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // It stays open, so the import waits for the rest of its second batch.
    let mut input = import.stdin.take().unwrap();
    input.write_all(first.as_bytes()).await.unwrap();
    wait_for("the first batch to be imported", LIMIT, async || {
        let imported: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM interaction").fetch_one(&world.mysql).await?;
        Ok((imported.unsigned_abs() == BATCH && !world.is_importing().await?).then_some(()))
    })
    .await
    .unwrap();
    signal("TERM", &import);
    let output = timeout(LIMIT, import.wait_with_output()).await.expect("it waits for no more rows").unwrap();
    drop(input);
    assert_eq!(output.status.code(), Some(1));
    let done = done(&output.stderr);
    assert_eq!(done, BATCH + 1, "the first batch, and the row that was rejected");
    assert_eq!(files.rejected(), [(1, "kind:".to_owned())]);

    let (code, report) = world.import(&files, &[&whole, "--skip", &done.to_string()]).await;
    assert_eq!((code, &report["rejected"]), (3, &json!(1)));
    assert_eq!(files.rejected(), [(rows, "kind:".to_owned())], "rows have the numbers that they have in the file");
    let imported: u64 = Kind::ALL.iter().filter_map(|kind| report[kind.name()]["imported"].as_u64()).sum();
    assert_eq!(imported, pairs - BATCH);
    assert_eq!((world.agreed(20).await, world.export("interactions").await), expected);
}

/// Rows of this many users for a few articles. Of two kinds that exclude each other it has one.
fn many(users: i64) -> String {
    let mut csv = HEADING.to_owned();
    for user in 1..=users {
        let kinds: Vec<Kind> =
            Kind::ALL.iter().copied().filter(|kind| kind.excludes().iter().all(|other| other > kind)).collect();
        for kind in kinds {
            writeln!(csv, "{kind},{user},{},{AT}", 1 + user % 20).unwrap();
        }
    }
    csv
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_can_be_repeated() {
    let (world, files) = (World::new().await, Files::new());
    let _persister = world.start("run");
    world.warm().await;
    let csv = many(15_000);
    let rows = csv.lines().count() - 1;
    let file = files.write("many.csv", &csv);
    let rejected = files.path("rejected");
    for part in [5, 2] {
        let arguments = ["import", &file, "--rejected", &rejected, "--wait-seconds", "1"];
        let mut import = world.command(&arguments).spawn().unwrap();
        wait_for("a part to be imported", LIMIT, async || {
            Ok((world.tables().await.rows.len() > rows / part / 2).then_some(()))
        })
        .await
        .unwrap();
        import.kill().await.unwrap();
    }
    // The holds of the killed import expire.
    wait_for("an import that rejects nothing", 2 * LIMIT, async || {
        Ok((world.import(&files, &[&file, "--wait-seconds", "1"]).await.0 == 0).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(world.agreed(20).await.len(), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_who_change_what_is_being_imported_have_the_last_word() {
    let (world, files) = (World::new().await, Files::new());
    let _persister = world.start("run");
    world.warm().await;
    let csv = many(10_000);
    let file = files.write("many.csv", &csv);
    let rejected = files.path("rejected");
    let mut import = world.command(&["import", &file, "--rejected", &rejected]).spawn().unwrap();
    let mut caller = world.caller().await;
    let mut last = Vec::new();
    let began = Timestamp::now();
    'all: for round in 0.. {
        for user in 1..=200 {
            for kind in Kind::ALL.iter().copied() {
                let (article, on) = (1 + user % 20, (user + round) % 2 == 0);
                // While a pair is held, the toggle is refused.
                if caller.toggle(kind, user, article, on, "").await.is_ok() {
                    last.retain(|(of, who, _)| (*of, *who) != (kind, user));
                    last.push((kind, user, on));
                }
            }
            if import.try_wait().unwrap().is_some() {
                break 'all;
            }
        }
        assert!(Timestamp::now().duration_since(began).as_secs() < 120, "the import does not end");
    }
    let standing = world.agreed(20).await;
    for (kind, user, on) in last.into_iter().filter(|(kind, ..)| kind.excludes().is_empty()) {
        assert_eq!(standing.contains(&(kind, user, 1 + user % 20)), on, "{kind} of {user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_system_exports_another_imports() {
    let files = Files::new();
    let [interactions, counters] = {
        let world = World::new().await;
        let _persister = world.start("run");
        world.warm().await;
        let mut caller = world.caller().await;
        for kind in Kind::ALL.iter().copied() {
            for user in 1..=50 {
                caller.toggled(kind, user, 1 + user % 7, true).await;
            }
            caller.toggle_of(kind, &"a|user".parse().unwrap(), &"a-slug".parse().unwrap(), true, "").await.unwrap();
        }
        for (article, visitors) in [("1", &["a", "b", "b"][..]), ("a-slug", &["c"])] {
            for visitor in visitors {
                let (_, token) = caller.view(article, visitor).await;
                caller.read(article, "7", token).await;
            }
        }
        world.saved().await;
        world.settled().await;
        [world.export("interactions").await, world.export("counters").await]
    };
    let heading = "article_id,pv,uv,reads";
    assert_eq!(counters, [heading, "1,3,2,3", "a-slug,1,1,1"].map(str::to_owned).into());
    let world = World::new().await;
    let _persister = world.start("run");
    world.warm().await;
    let text = |lines: &BTreeSet<String>| {
        // The set has moved the heading to some other place.
        let (heading, rows): (Vec<&str>, Vec<&str>) =
            lines.iter().map(String::as_str).partition(|line| line.contains("article_id"));
        heading.into_iter().chain(rows).flat_map(|line| [line, "\n"]).collect::<String>()
    };
    assert_eq!(world.import(&files, &[&files.write("interactions.csv", &text(&interactions))]).await.0, 0);
    assert_eq!(world.export("interactions").await, interactions);
    world.agreed(7).await;

    let file = files.write("counters.csv", &text(&counters));
    let (code, report) = world.import(&files, &[&file]).await;
    assert_eq!((code, &report["counters"]), (0, &json!({ "imported": 2, "known": 0 })));
    // A list of past visitors cannot be imported, so visitors are counted from zero.
    let without_uv: BTreeSet<String> = [heading, "1,3,0,3", "a-slug,1,0,1"].map(str::to_owned).into();
    assert_eq!(world.export("counters").await, without_uv);
    let mut caller = world.caller().await;
    for (article, pv, reads) in [("1", 3, 3), ("a-slug", 1, 1)] {
        let (views, token) = caller.view(article, "d").await;
        assert_eq!((views, caller.read(article, "7", token).await), (pv + 1, reads + 1), "{article} in Redis");
    }
    world.saved().await;
    world.settled().await;
    let with_later_ones: BTreeSet<String> = [heading, "1,4,1,4", "a-slug,2,1,2"].map(str::to_owned).into();
    assert_eq!(world.export("counters").await, with_later_ones);
}

#[tokio::test(flavor = "multi_thread")]
async fn bars_and_the_history_are_exported_and_no_import_takes_them_for_something_else() {
    let (world, files) = (World::new().await, Files::new());
    let _persister = world.start("run");
    world.warm().await;
    let mut caller = world.caller().await;
    let named = any_of(Truth::Redis);
    for kind in Kind::ALL.iter().copied() {
        for on in [true, false, true] {
            caller.toggled(kind, 7, 1 + place_of(kind), on).await;
        }
    }
    caller.toggle_of(named, &"a|user".parse().unwrap(), &"a-slug".parse().unwrap(), true, "").await.unwrap();
    world.viewed(50, 5, 2).await;
    world.views_saved(50, 5).await;
    world.settled().await;
    let history = world.counted_history().await;
    let (_, day, _) = history.keys().next().unwrap();
    let of_kind = |kind: &Kind| format!("{},{day},{},2,1", 1 + place_of(*kind), Counter::Of(*kind).name());
    let mut expected: BTreeSet<String> = Kind::ALL.iter().map(of_kind).collect();
    expected.insert("article_id,day,counter,gained,lost".to_owned());
    expected.insert(format!("a-slug,{day},{},1,0", Counter::Of(named).name()));
    expected.extend([("pv", 5), ("uv", 2)].map(|(counter, gained)| format!("50,{day},{counter},{gained},0")));
    assert_eq!(world.export("history").await, expected);

    assert_eq!(world.ask(&["bars", "add", "--user", "7,a|user", "--reason", "ring, 26 Nov"]).await.0, 0);
    world.run_sql("UPDATE user_bar SET at = '2020-01-02 03:04:05.678'").await;
    let bars = ["user_id,since,reason", &format!("7,{AT},\"ring, 26 Nov\""), &format!("a|user,{AT},\"ring, 26 Nov\"")];
    assert_eq!(world.export("bars").await, bars.map(str::to_owned).into());

    let before = world.tables().await;
    for table in ["history", "bars"] {
        let (code, csv) = world.ask(&["export", "--table", table]).await;
        assert_eq!(code, 0);
        let file = files.write(table, &csv);
        assert_eq!(world.ask(&["import", &file, "--rejected", &files.path("rejected")]).await.0, 1, "{table}");
    }
    assert_eq!(world.tables().await, before);
}

/// A server that comes back, or a replica that takes over, may lack the last writes. No event says what was imported.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_what_was_imported_is_rebuilt() {
    let (world, files) = (World::new().await, Files::new());
    let _persister = world.start("run");
    let epoch = world.warm().await;
    let mut redis = world.redis().await;
    let mut last_ids = Vec::new();
    for partition in Partition::all() {
        let asked = redis::cmd("XINFO").arg("STREAM").arg(keys::outbox(partition)).query_async(&mut redis).await;
        let info: HashMap<String, redis::Value> = asked.unwrap();
        last_ids.push((partition, redis::from_redis_value::<String>(info["last-generated-id"].clone()).unwrap()));
    }
    let file = files.write("pairs.csv", &many(100));
    assert_eq!(world.import(&files, &[&file]).await.0, 0);
    let counters = files.write("counters.csv", "article_id,pv,reads\n1,100,40\n");
    assert_eq!(world.import(&files, &[&counters]).await.0, 0);
    let imported = world.agreed(20).await;
    assert!(
        Kind::ALL.iter().filter(|kind| kind.excludes().is_empty()).all(|kind| imported.iter().any(|on| on.0 == *kind))
    );

    let mut older = redis::pipe();
    for article in (1..=20).map(|article| ArticleNumber::try_from(article).unwrap()) {
        for kind in Kind::of(Truth::Redis) {
            older.del(keys::members(kind, article)).ignore().del(keys::count(kind, article)).ignore();
        }
        older.del(keys::pv(article)).ignore().del(keys::reads(article)).ignore();
    }
    for (partition, last_id) in last_ids {
        older.cmd("XSETID").arg(keys::outbox(partition)).arg(last_id).ignore();
        older.hset(keys::warm(partition), "run_id", "the one before").ignore();
    }
    older.atomic().exec_async(&mut redis).await.unwrap();
    // What `warm` has seen of the outboxes is of a second before.
    sqlx::query("UPDATE outbox_seen SET last_ms = 0, last_seq = 0").execute(&world.mysql).await.unwrap();
    assert!(world.warm().await > epoch);
    assert_eq!(world.agreed(20).await, imported);
    let first = ArticleNumber::try_from(1).unwrap();
    let counted: (i64, i64) =
        redis::cmd("MGET").arg(keys::pv(first)).arg(keys::reads(first)).query_async(&mut redis).await.unwrap();
    assert_eq!(counted, (100, 40));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_during_an_import_is_not_brought_back() {
    let (world, files) = (World::new().await, Files::new());
    let _persister = world.start("run");
    world.warm().await;
    let file = files.write("some.csv", &many(2));
    let (rejected, log) = (files.path("rejected"), files.path("log"));
    // The import has asked who was erased, and stands still before it writes.
    let mut locker = world.mysql.acquire().await.unwrap();
    sqlx::query("LOCK TABLES interaction WRITE").execute(&mut *locker).await.unwrap();
    let mut import = world.command(&["import", &file, "--rejected", &rejected]).spawn().unwrap();
    wait_for("the import to have the lock", LIMIT, async || Ok(world.is_importing().await?.then_some(())))
        .await
        .unwrap();
    let mut erase = world.command(&["erase", "--user", "1"]).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    wait_for("the erasure to wait for the import", LIMIT, async || {
        Ok(fs::read_to_string(&log)?.contains("waiting for another command").then_some(()))
    })
    .await
    .unwrap();
    sqlx::query("UNLOCK TABLES").execute(&mut *locker).await.unwrap();
    assert_eq!(import.wait().await.unwrap().code(), Some(0));
    assert_eq!(erase.wait().await.unwrap().code(), Some(0));
    world.settled().await;
    let standing = world.agreed(20).await;
    assert!(!standing.is_empty() && standing.iter().all(|(_, user, _)| *user == 2), "{standing:?}");
}
