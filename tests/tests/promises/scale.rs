//! Time and memory of jobs and commands with many likes: `make scale LIKES=100000000`. The memory is limited, whatever the data.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use contract::{ArticleNumber, Kind, Partition, Truth};
use sqlx::{AssertSqlSafe, raw_sql};
use stack::{App, Service, wait_for};

use crate::world::{LIMIT, World, any_of};

/// Rows of one statement.
const ROWS: i64 = 100_000;
/// The hot article, and the first of the others.
pub(crate) const HOT: i64 = 7;
const FIRST: i64 = 1000;
/// The likes of every other article.
const EACH: i64 = 100;
/// The likes of user 1, at most, and one of the hot article.
const OF_ONE: i64 = 27_000;
/// The most memory of a command or a job, for any number of likes.
const MOST_KB: u64 = 256 * 1024;

fn wanted() -> i64 {
    std::env::var("SCALE_LIKES").map_or(50_000, |likes| likes.parse().unwrap())
}

/// Pages of a list that are read one after the other.
const PAGES: i64 = 10;
const PAGE: i64 = 20;
/// New likes, at most.
const NEW: i64 = 100_000;

/// What there is: a tenth of the likes are of one article.
#[derive(Clone, Copy)]
pub(crate) struct Likes {
    pub(crate) hot: i64,
    pub(crate) articles: i64,
    /// User 1 likes every so many articles.
    pub(crate) every: i64,
}

impl Likes {
    pub(crate) fn of(likes: i64) -> Self {
        let articles = likes / 10 * 9 / EACH;
        Self { hot: likes - articles * EACH, articles, every: 1 + (articles - 1) / OF_ONE }
    }
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
    /// Writes these likes to MySQL, in the order of the primary key. The secondary indexes are built at the end, which is faster.
    pub(crate) async fn fill(&self, Likes { hot, articles, every }: Likes) {
        let run = async |sql: String| raw_sql(AssertSqlSafe(sql)).execute(&self.mysql).await.unwrap();
        let kind = any_of(Truth::Redis).code();
        let (_, table): (String, String) =
            sqlx::query_as("SHOW CREATE TABLE interaction").fetch_one(&self.mysql).await.unwrap();
        let indexes: Vec<&str> = table.lines().map(|line| line.trim().trim_end_matches(',')).collect();
        let indexes: Vec<&&str> = indexes.iter().filter(|line| line.starts_with("KEY ")).collect();
        assert_eq!(indexes.len(), 2, "{table}");
        run("ALTER TABLE interaction DROP KEY by_user, DROP KEY by_partition".to_owned()).await;
        // The server makes the rows from these two, because it takes longer to parse them.
        run("CREATE TABLE fill_number (n INT PRIMARY KEY)".to_owned()).await;
        run("CREATE TABLE fill_article (n INT PRIMARY KEY, id BIGINT NOT NULL, p INT NOT NULL)".to_owned()).await;
        let partition = |article: i64| Partition::of(ArticleNumber::try_from(article).unwrap());
        let numbers: Vec<String> = (0..ROWS).map(|n| format!("({n})")).collect();
        run(format!("INSERT INTO fill_number VALUES {}", numbers.join(","))).await;
        let all: Vec<i64> = (0..articles).collect();
        for some in all.chunks(10_000) {
            let rows: Vec<String> =
                some.iter().map(|n| format!("({n},{},{})", FIRST + n, partition(FIRST + n))).collect();
            run(format!("INSERT INTO fill_article VALUES {}", rows.join(","))).await;
        }
        let insert = "INSERT INTO interaction
                      (p, article_id, kind, user_id, status, version_ms, version_seq, updated_at)";
        let p = partition(HOT);
        for first in (0..hot).step_by(usize::try_from(ROWS).unwrap()) {
            run(format!(
                "{insert} SELECT {p}, {HOT}, {kind}, 1 + {first} + n, 1, 1 + {first} + n, 0, UTC_TIMESTAMP(3)
                 FROM fill_number WHERE {first} + n < {hot} ORDER BY n"
            ))
            .await;
        }
        for some in all.chunks(usize::try_from(ROWS / EACH).unwrap()) {
            let (first, last) = (some[0], some[some.len() - 1]);
            if first % (articles / 10).max(1) < ROWS / EACH {
                println!("likes of {first} of {articles} articles are written");
            }
            run(format!(
                "{insert} SELECT a.p, a.id, {kind}, 1 + m.n * 1000 + a.n % {every}, 1,
                                 1 + {hot} + a.n * {EACH} + m.n, 0, UTC_TIMESTAMP(3)
                 FROM fill_article a JOIN fill_number m ON m.n < {EACH} WHERE a.n BETWEEN {first} AND {last} ORDER BY a.n, m.n"
            ))
            .await;
        }
        run("DROP TABLE fill_number, fill_article".to_owned()).await;
        // One after the other, because each sorts in files as large as itself, twice.
        for index in indexes {
            println!("all likes are written; ADD {index}");
            run(format!("ALTER TABLE interaction ADD {index}")).await;
        }
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

    /// Reads pages of a list, and prints their line. `after` is the cursor of the first.
    async fn listed(&self, app: &App, what: &str, list: &str, after: Option<String>) {
        let (client, token) = (reqwest::Client::new(), stack::token("1"));
        let (began, mut cursor) = (Instant::now(), after);
        for _ in 0..PAGES {
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = client.get(format!("{}{list}?limit={PAGE}{after}", app.url())).bearer_auth(&token).send().await;
            let page: serde_json::Value = page.unwrap().error_for_status().unwrap().json().await.unwrap();
            assert_eq!(page["items"].as_array().map(Vec::len), usize::try_from(PAGE).ok(), "{page}");
            cursor = page["next_cursor"].as_str().map(str::to_owned);
        }
        line(&format!("{PAGES} pages of {list}: {what}"), began.elapsed(), PAGES, peak(app.pid().unwrap()).unwrap());
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
    let all = Likes::of(likes);
    world.fill(all).await;
    println!("{likes} likes written to MySQL in {:.0} s", began.elapsed().as_secs_f64());
    println!("| what | time | rate | memory |\n|---|---|---|---|");

    let last = world.rebuilds().await;
    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await).await.unwrap();
    world.rebuilt("rebuild of all partitions", last, warm).await;
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut world.redis().await).await.unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    println!("Redis has {used} bytes, {} a like", used.trim().parse::<i64>().unwrap() / likes);

    let last = world.rebuilds().await;
    let third: Vec<Partition> = Partition::all().filter(|partition| partition.get() % 3 == 0).collect();
    world.make_cold(&third).await;
    world.rebuilt("rebuild of a third of the partitions", last, warm).await;

    world.measured(&["reconcile"], likes).await;
    world.measured(&["reconcile", "--sample", "100"], 100 * EACH).await;
    world.measured(&["export", "--table", "interactions"], likes).await;

    let app = world.app();
    app.start().await.unwrap();
    let (of_article, of_user) = (format!("/v1/articles/{HOT}/likers"), "/v1/me/likes".to_owned());
    let of_one = 1 + (all.articles - 1) / all.every;
    // What `fill` wrote: an item's version counts the likes before it.
    let nth_user = |n: i64| format!("{}-0-{}", 1 + n, 1 + n);
    let nth_article = |n: i64| format!("{}-0-{}", 1 + all.hot + n * all.every * EACH, FIRST + n * all.every);
    for (list, whole, cursor) in
        [(&of_article, all.hot, &nth_user as &dyn Fn(i64) -> String), (&of_user, of_one, &nth_article)]
    {
        world.listed(&app, "the first", list, None).await;
        world.listed(&app, "in the middle", list, Some(cursor(whole / 2))).await;
        world.listed(&app, "the last", list, Some(cursor(PAGES * PAGE))).await;
    }
    app.terminate().await.unwrap();

    // New users add a hundredth of the likes.
    let (mut caller, new) = (world.caller().await, (likes / 100).clamp(100, NEW));
    let began = Instant::now();
    for n in 0..new {
        caller.toggled(any_of(Truth::Redis), 1_000_000_000 + n, FIRST + n * 17 % all.articles, true).await;
    }
    world.settled().await;
    for (job, service) in [("relay", relay), ("consume", consume)] {
        let kb = peak(service.pid().unwrap()).unwrap();
        line(&format!("`persister {job}`"), began.elapsed(), new, kb);
        assert!(kb < MOST_KB, "{job} took {kb} kB");
    }
    world.measured(&["audit", "--article", "1000"], new).await;
    world.measured(&["erase", "--user", "1"], 1 + of_one).await;
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
