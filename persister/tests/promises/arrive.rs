//! A site that brings its likes along, by the statements of docs/operations.md.

use contract::{ArticleId, Change, Event, UserId, keys};

use crate::world::{World, event};

const PAGE: &str = include_str!("../../../docs/operations.md");

#[tokio::test(flavor = "multi_thread")]
async fn what_there_was_before_is_there_from_the_first_start_on() {
    let world = World::new().await;
    let (_, chapter) = PAGE.split_once("## Bringing along what there was").unwrap();
    let statements = chapter.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    let mut connection = world.mysql.acquire().await.unwrap();
    let mut run = async |sql: &str| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut *connection).await.expect(sql);
    };
    for table in [
        "likes_before (user_id BIGINT, article_id BIGINT, liked_at DATETIME(3), PRIMARY KEY (user_id, article_id))",
        "collects_before (user_id BIGINT, article_id BIGINT, collected_at DATETIME(3),
            PRIMARY KEY (user_id, article_id))",
        "counters_before (article_id BIGINT PRIMARY KEY, pv BIGINT, read_count BIGINT)",
    ] {
        run(&format!("CREATE TABLE {table}")).await;
    }
    // Guests of the older site are no users here.
    let mut likes = ["(8, 2, '2099-01-01 00:00:00.000')", "(0, 2, '2020-01-01')", "(9, 0, '2020-01-01')"]
        .map(str::to_owned)
        .to_vec();
    likes.extend(
        (1..=2000_i64).map(|user| format!("({}, 1, '2020-02-29 12:00:00.{:03}')", i64::MAX - user, user % 1000)),
    );
    run(&format!("INSERT INTO likes_before VALUES {}", likes.join(", "))).await;
    run("INSERT INTO collects_before VALUES (7, 1, '2021-01-01'), (7, 3, '2021-01-02'), (0, 3, '2021-01-02')").await;
    run("INSERT INTO counters_before VALUES (1, 100, 40), (4, 5, 0), (0, 9, 9)").await;
    run(statements).await;
    // What another import may have left keeps nothing cold.
    run("INSERT INTO user_like VALUES (0, 1, 1, 1, 0, UTC_TIMESTAMP(3)), (9, 0, 1, 1, 0, UTC_TIMESTAMP(3))").await;
    run("INSERT INTO article_stats (article_id, pv, updated_at) VALUES (0, 5, UTC_TIMESTAMP(3))").await;
    drop(connection);

    let _persister = world.start("run");
    world.warm().await;
    let (first, second) = (ArticleId::try_from(1).unwrap(), ArticleId::try_from(2).unwrap());
    let mut ask = redis::pipe();
    ask.get(keys::likes(first)).get(keys::pv(first)).get(keys::reads(first)).get(keys::likes(second));
    let counts: [u64; 4] = ask.query_async(&mut world.redis().await).await.unwrap();
    assert_eq!(counts, [2000, 100, 40, 1]);
    sqlx::query("DELETE FROM user_like WHERE user_id < 1 OR article_id < 1").execute(&world.mysql).await.unwrap();
    world.tables().await.assert_counts();

    // One of before is taken back, and so is the one from the future.
    let unlike = |user: i64, article: ArticleId| Event {
        user: Some(UserId::try_from(user).unwrap()),
        article,
        change: Change::Like(false),
        ..event(0)
    };
    world.append(&[unlike(i64::MAX - 5, first), unlike(8, second)]).await;
    world.outboxes_empty().await;
    world.consumed().await;
    let tables = world.tables().await;
    tables.assert_counts();
    let left = tables.likes.iter().filter(|(_, _, status, _, _)| *status == 1).count();
    assert_eq!(left, 1999);
    let favourites = "SELECT CAST(SUM(collect_count) AS SIGNED) FROM article_stats";
    assert_eq!(sqlx::query_scalar::<_, i64>(favourites).fetch_one(&world.mysql).await.unwrap(), 2);
}
