//! From Kafka into MySQL whose tables are larger than its memory, beside the Go design's consumer.

use anyhow::Result;
use contract::{Kind, Partition};
use sqlx::{AssertSqlSafe, MySqlPool};

use super::{consume, seed_consumer::SeedConsumer};
use crate::{
    bench::Bench,
    ids,
    kafka::Pairs,
    mysql::{set_buffer_pool, table_bytes},
    report::{Figure, Goal},
    samples::Samples,
    world::World,
};

const OF_SEED: f64 = 5.0;
/// The tables ÷ the buffer pool.
const TIMES: u64 = 4;
const MIB: u64 = 1 << 20;
const USERS: u64 = 100_000;
/// Of one statement that fills a table.
const ROWS_AT_ONCE: u64 = 50_000;
const NAME: &str = "consume/large";
const WHAT: &str = "events from Kafka into MySQL whose tables are four times its buffer pool";

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (scale, world) = (&bench.scale, World::start().await?);
    let (events, seed_events) = (scale.large_events, scale.large_seed_events);
    let pairs = Pairs { articles: scale.small_articles, users: Some(USERS) };
    let seed = match SeedConsumer::prepare(&world).await {
        Ok(seed) => seed,
        Err(error) => {
            world.stop().await?;
            return Ok(vec![Figure::missing(NAME, WHAT, &format!("{error:#}"))]);
        }
    };
    let (whole,): (u64,) = sqlx::query_as("SELECT @@innodb_buffer_pool_size").fetch_one(&world.mysql).await?;
    // What MySQL makes of that size; it fills faster with what it had.
    let pool = set_buffer_pool(&world, scale.pool_mib * MIB).await?;
    set_buffer_pool(&world, whole).await?;
    let rows = fill_tables(bench, &world, pairs.articles, TIMES * pool).await?;
    set_buffer_pool(&world, pool).await?;

    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    let bar = bench.progress.bar(scale.rounds);
    for round in 0..scale.rounds as u64 {
        // Other pairs each time: what was applied once changes nothing.
        consume::fill(&world, round * events..(round + 1) * events, pairs).await?;
        ours.push(consume::apply(&world, &format!("consume-{round}"), events).await?);
        seed.fill(&world, round * seed_events..(round + 1) * seed_events, pairs).await?;
        theirs.push(seed.apply(&world, "seed", seed_events).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    world.stop().await?;
    let [our_rows, their_rows] = rows;
    let figure = Figure::new(NAME, WHAT, "events/s", &ours)
        .against("Go", &ours, &theirs)
        .target(Goal::RatioAtLeast, OF_SEED)
        .conditions(format!(
            "innodb_buffer_pool_size {} MiB; {our_rows} rows of ours, {their_rows} of theirs, before the first round; \
             {events} likes a round, theirs {seed_events}, drawn from {} articles and {USERS} users; \
             innodb_flush_log_at_trx_commit=1; all on all {} cores",
            pool / MIB,
            pairs.articles,
            bench.cores.count(),
        ));
    Ok(vec![figure])
}

/// Adds likes to both designs' tables until each has so many bytes; how many rows they have then.
async fn fill_tables(bench: &Bench, world: &World, articles: u64, bytes: u64) -> Result<[u64; 2]> {
    add_numbers(&world.mysql, articles).await?;
    // Some users of each article at a time, in no order.
    let (first, step) = (ids::user(0), ids::user(1).number().get() - ids::user(0).number().get());
    let user = format!("{first} + {step} * (CRC32(CONCAT_WS('-', a.n, b.n, ?)) % {USERS})");
    let like = Kind::Like.code();
    let ours = format!(
        "INSERT IGNORE INTO interaction (article_id, kind, user_id, p, status, version_ms, version_seq, updated_at)
         SELECT a.article_id, {like}, {user}, a.p, 1, 1, 0, '2026-01-01' FROM bench_article a CROSS JOIN bench_number b"
    );
    let theirs = format!(
        "INSERT IGNORE INTO seed_like (user_id, article_id, status)
         SELECT {user}, a.article_id, 1 FROM bench_article a CROSS JOIN bench_number b"
    );
    let mut rows = [0; 2];
    for ((table, insert), rows) in [("interaction", ours), ("seed_like", theirs)].into_iter().zip(&mut rows) {
        let bar = bench.progress.bar(usize::try_from(bytes / MIB)?).with_message(table);
        for layer in 0_u64.. {
            let size = table_bytes(world, table).await?;
            bar.set_position(size / MIB);
            if size >= bytes {
                break;
            }
            let insert = sqlx::query(AssertSqlSafe(insert.clone())).bind(layer);
            *rows += insert.execute(&world.mysql).await?.rows_affected();
        }
        bar.finish_and_clear();
    }
    Ok(rows)
}

/// The articles with their partitions, and numbers of as many users as are added to each at a time.
async fn add_numbers(mysql: &MySqlPool, articles: u64) -> Result<()> {
    let article = |n| {
        let number = ids::article(0, n).number();
        format!("({n}, {}, {})", number.get(), Partition::of(number).get())
    };
    let rows: Vec<String> = (0..articles).map(article).collect();
    let numbers: Vec<String> = (0..ROWS_AT_ONCE / articles).map(|n| format!("({n})")).collect();
    let sql = format!(
        "CREATE TABLE bench_article (n BIGINT, article_id BIGINT PRIMARY KEY, p TINYINT UNSIGNED);
         INSERT INTO bench_article VALUES {};
         CREATE TABLE bench_number (n BIGINT);
         INSERT INTO bench_number VALUES {}",
        rows.join(", "),
        numbers.join(", "),
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(mysql).await?;
    Ok(())
}
