//! Time and memory of jobs and commands with many likes: `make scale LIKES=100000000`. The memory is limited, whatever the data.

use std::{
    fmt::Write as _,
    process::Stdio,
    time::{Duration, Instant},
};

use contract::{ArticleNumber, Kind, Partition, Truth, keys};
use sqlx::{AssertSqlSafe, raw_sql};
use stack::{Service, wait_for};

use crate::world::{LIMIT, World, any_of};

/// Rows of one statement.
const ROWS: i64 = 10_000;
/// The likes of every article except the hot one.
const EACH: i64 = 100;
const HOT: i64 = 7;
/// The most memory of a command or a job, for any number of likes.
const MOST_KB: u64 = 256 * 1024;

fn wanted() -> i64 {
    std::env::var("SCALE_LIKES").map_or(50_000, |likes| likes.parse().unwrap())
}

/// Prints a line of the table: the work, its time, its rate and its memory.
fn line(what: &str, took: Duration, count: i64, kb: u64) {
    let seconds = took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let (rate, mb) = (count as f64 / seconds.max(0.001), kb as f64 / 1024.0);
    println!("| {what} | {seconds:.1} s | {rate:.0}/s | {mb:.0} MB |");
}

/// The most memory that a process has used so far, in kB. None if the process has ended.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}

impl World {
    /// Writes this many likes to MySQL: a tenth of them for one article, and [`EACH`] for every other. The secondary indexes
    /// are built at the end, which is faster.
    async fn fill(&self, likes: i64) {
        let run = async |sql: String| raw_sql(AssertSqlSafe(sql)).execute(&self.mysql).await.unwrap();
        let kind = any_of(Truth::Redis).code();
        let (_, table): (String, String) =
            sqlx::query_as("SHOW CREATE TABLE interaction").fetch_one(&self.mysql).await.unwrap();
        let indexes: Vec<&str> = table.lines().map(|line| line.trim().trim_end_matches(',')).collect();
        let indexes: Vec<&&str> = indexes.iter().filter(|line| line.starts_with("KEY ")).collect();
        assert_eq!(indexes.len(), 2, "{table}");
        run("ALTER TABLE interaction DROP KEY by_user, DROP KEY by_partition".to_owned()).await;
        let hot = likes / 10;
        for first in (0..likes).step_by(usize::try_from(ROWS).unwrap()) {
            let mut rows = String::new();
            for n in first..(first + ROWS).min(likes) {
                // In the order of the primary key.
                let (article, user) =
                    if n < hot { (HOT, 1 + n) } else { (1000 + (n - hot) / EACH, 1 + (n - hot) % EACH * 1000) };
                let p = Partition::of(ArticleNumber::try_from(article).unwrap());
                let separator = if rows.is_empty() { "" } else { "," };
                write!(rows, "{separator}({p},{article},{kind},{user},1,{},0,UTC_TIMESTAMP(3))", 1 + n).unwrap();
            }
            run(format!(
                "INSERT INTO interaction (p, article_id, kind, user_id, status, version_ms, version_seq, updated_at)
                 VALUES {rows}"
            ))
            .await;
        }
        let add: Vec<String> = indexes.iter().map(|index| format!("ADD {index}")).collect();
        run(format!("ALTER TABLE interaction {}", add.join(", "))).await;
        run("INSERT INTO interaction_count (article_id, kind, count)
             SELECT article_id, kind, COUNT(*) FROM interaction GROUP BY article_id, kind"
            .to_owned())
        .await;
    }

    /// Runs a command, which must succeed, and prints its line.
    pub(crate) async fn measured(&self, arguments: &[&str], count: i64) {
        let began = Instant::now();
        let mut child = self.command(arguments).stdout(Stdio::null()).spawn().unwrap();
        let (pid, mut kb) = (child.id().unwrap(), 0);
        let ended = loop {
            kb = peak(pid).unwrap_or(kb);
            if let Some(ended) = child.try_wait().unwrap() {
                break ended;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert!(ended.success(), "{arguments:?}: {ended}");
        line(&format!("`persister {}`", arguments.join(" ")), began.elapsed(), count, kb);
        assert!(kb < MOST_KB, "{arguments:?} took {kb} kB");
    }

    /// Waits until there are more than `last` rebuilds, and prints the line of the newest.
    async fn rebuilt(&self, what: &str, last: i64, warm: &Service) {
        let rebuild = wait_for("the rebuild", 100 * LIMIT, async || {
            Ok((self.rebuilds().await > last).then_some(self.last_rebuild().await))
        })
        .await
        .unwrap();
        let kb = peak(warm.pid().unwrap()).unwrap();
        line(what, Duration::from_millis(rebuild.took_ms.unsigned_abs()), rebuild.members, kb);
        assert!(kb < MOST_KB, "warm took {kb} kB");
        self.warm().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_any_number_of_likes_memory_stays_below_its_limit() {
    let likes = wanted();
    let world = World::new().await;
    let jobs = ["warm", "relay", "consume"].map(|job| world.another(job));
    for job in &jobs {
        job.start().await.unwrap();
    }
    let [warm, relay, consume] = &jobs;
    world.warm().await;
    let began = Instant::now();
    world.fill(likes).await;
    println!("{likes} likes written to MySQL in {:.0} s", began.elapsed().as_secs_f64());
    println!("| what | time | rate | memory |\n|---|---|---|---|");

    let last = world.rebuilds().await;
    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    world.rebuilt("rebuild of all partitions", last, warm).await;
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut world.redis().await).await.unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    println!("Redis has {used} bytes, {} a like", used.trim().parse::<i64>().unwrap() / likes);

    let last = world.rebuilds().await;
    let mut forget = redis::pipe();
    for partition in Partition::all().filter(|partition| partition.get() % 3 == 0) {
        forget.del(keys::warm(partition)).ignore();
    }
    forget.exec_async(&mut world.redis().await).await.unwrap();
    world.rebuilt("rebuild of a third of the partitions", last, warm).await;

    world.measured(&["reconcile"], likes).await;
    world.measured(&["reconcile", "--sample", "100"], 100 * EACH).await;
    world.measured(&["export", "--table", "interactions"], likes).await;

    // New users add a hundredth of the likes.
    let (mut caller, new) = (world.caller().await, (likes / 100).max(100));
    let began = Instant::now();
    for n in 0..new {
        caller.toggled(any_of(Truth::Redis), 1_000_000_000 + n, 1000 + n * 17 % (likes / EACH), true).await;
    }
    world.settled().await;
    for (job, service) in [("relay", relay), ("consume", consume)] {
        let kb = peak(service.pid().unwrap()).unwrap();
        line(&format!("`persister {job}`"), began.elapsed(), new, kb);
        assert!(kb < MOST_KB, "{job} took {kb} kB");
    }
    world.measured(&["audit", "--article", "1000"], new).await;
    world.measured(&["erase", "--user", "1"], 1 + (likes - likes / 10) / EACH).await;
    let kind = any_of(Truth::Redis);
    let count: i64 = sqlx::query_scalar("SELECT CAST(SUM(count) AS SIGNED) FROM interaction_count WHERE kind = ?")
        .bind(kind.code())
        .fetch_one(&world.mysql)
        .await
        .unwrap();
    let rows: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM interaction WHERE status = 1").fetch_one(&world.mysql).await.unwrap();
    assert_eq!(count, rows);
    assert!(Kind::ALL.contains(&kind) && count < likes + new);
}
