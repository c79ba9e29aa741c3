//! A site that brings along what its users have on, by the statements of docs/operations.md.

use contract::{ArticleId, ArticleNumber, Kind, Partition, UserId, keys};
use sqlx::MySqlConnection;

use crate::{
    tables::On,
    world::{World, place_of},
};

const PAGE: &str = include_str!("../../../docs/operations.md");

/// The statements of docs/operations.md: from numbers, and what comes before that where ids are names.
fn statements() -> [&'static str; 2] {
    let (_, chapter) = PAGE.split_once("## Bringing along what there was").unwrap();
    let mut blocks = chapter.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    [blocks.next().unwrap(), blocks.next().unwrap()]
}

async fn execute(connection: &mut MySqlConnection, statements: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(connection).await.expect(statements);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_names_are_brought_along_by_their_names() {
    let world = World::new().await;
    let [of_numbers, of_names] = statements();
    let mut connection = world.mysql.acquire().await.unwrap();
    let mut run = async |sql: &str| execute(&mut connection, sql).await;
    let ids = ["7", "007", "Abc", "abc", "auth0|507f", "4611686018427387903", "4611686018427387904", "a.b-c~:@+="];
    let id = "VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin";
    run(&format!("CREATE TABLE kinds_by_name (kind VARCHAR(32), user_id {id}, article_id {id}, at DATETIME(3))")).await;
    run(&format!("CREATE TABLE counters_by_name (article_id {id}, pv BIGINT, read_count BIGINT)")).await;
    let kind = Kind::ALL[0];
    for id in ids {
        run(&format!("INSERT INTO kinds_by_name VALUES ('{kind}', '{id}', '{id}', '2020-01-01')")).await;
        run(&format!("INSERT INTO counters_by_name VALUES ('{id}', 9, 5)")).await;
    }
    run(of_names).await;
    run(of_numbers).await;
    drop(connection);
    let expected: On = ids
        .iter()
        .map(|id| (kind, id.parse::<UserId>().unwrap().number().get(), id.parse::<ArticleId>().unwrap().number().get()))
        .collect();
    assert_eq!(world.standing().await, expected);
    let names: Vec<(i64, String)> =
        sqlx::query_as("SELECT number, text FROM name WHERE kind = 'article'").fetch_all(&world.mysql).await.unwrap();
    let mut texts: Vec<&str> = names.iter().map(|(_, text)| text.as_str()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["007", "4611686018427387904", "Abc", "a.b-c~:@+=", "abc", "auth0|507f"]);
    assert!(names.iter().all(|(number, text)| text.parse::<ArticleId>().unwrap().number().get() == *number));
    let _persister = world.start("run");
    world.warm().await;
    for id in ids {
        let article = id.parse::<ArticleId>().unwrap().number();
        assert_eq!(world.members(kind, article).await, [id.parse::<UserId>().unwrap().number().get()], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_was_before_is_there_from_the_first_start_on() {
    let world = World::new().await;
    let [statements, _] = statements();
    let mut connection = world.mysql.acquire().await.unwrap();
    let mut run = async |sql: &str| execute(&mut connection, sql).await;
    for table in [
        "kinds_before (kind VARCHAR(32), user_id BIGINT, article_id BIGINT, at DATETIME(3),
            PRIMARY KEY (kind, user_id, article_id))",
        "counters_before (article_id BIGINT PRIMARY KEY, pv BIGINT, read_count BIGINT)",
    ] {
        run(&format!("CREATE TABLE {table}")).await;
    }
    let mut before = Vec::new();
    for kind in Kind::ALL.iter().copied() {
        let Articles { many, one } = Articles::of(kind);
        // Guests of the older site are no users here, and what it has of the future is of now.
        before.push(format!("('{kind}', 8, {one}, '2099-01-01 00:00:00.000')"));
        before.extend([format!("('{kind}', 0, {one}, '2020-01-01')"), format!("('{kind}', 9, 0, '2020-01-01')")]);
        before.extend(
            (1..=USERS).map(|user| {
                format!("('{kind}', {}, {many}, '2020-02-29 12:00:00.{:03}')", GREATEST - user, user % 1000)
            }),
        );
    }
    run(&format!("INSERT INTO kinds_before VALUES {}", before.join(", "))).await;
    run("INSERT INTO counters_before VALUES (1, 100, 40), (4, 5, 0), (0, 9, 9)").await;
    run(statements).await;
    // What another import may have left keeps nothing cold.
    run("INSERT INTO interaction (p, article_id, kind, user_id, status, version_ms, version_seq, updated_at)
         VALUES (0, 1, 1, 0, 1, 1, 0, UTC_TIMESTAMP(3)), (0, 0, 1, 9, 1, 1, 0, UTC_TIMESTAMP(3))")
    .await;
    run("INSERT INTO article_stats (article_id, pv, updated_at) VALUES (0, 5, UTC_TIMESTAMP(3))").await;
    drop(connection);

    let _persister = world.start("run");
    world.warm().await;
    sqlx::query("DELETE FROM interaction WHERE user_id < 1 OR article_id < 1").execute(&world.mysql).await.unwrap();
    let rows: Vec<(i64, u8)> =
        sqlx::query_as("SELECT DISTINCT article_id, p FROM interaction").fetch_all(&world.mysql).await.unwrap();
    assert!(rows.iter().all(|(article, p)| Partition::of(ArticleNumber::try_from(*article).unwrap()).get() == *p));
    let mut expected = On::new();
    for kind in Kind::ALL.iter().copied() {
        let Articles { many, one } = Articles::of(kind);
        expected.insert((kind, 8, one));
        expected.extend((1..=USERS).map(|user| (kind, GREATEST - user, many)));
    }
    let last = 10 * i64::try_from(Kind::ALL.len()).unwrap();
    assert_eq!((world.standing().await, world.standing_in_redis(1..=last).await), (expected.clone(), expected.clone()));
    let article = ArticleNumber::try_from(1).unwrap();
    let mut ask = redis::pipe();
    ask.get(keys::pv(article)).get(keys::reads(article));
    let counters: [u64; 2] = ask.query_async(&mut world.redis().await).await.unwrap();
    assert_eq!(counters, [100, 40]);

    // One of before is switched off, and so is the one from the future.
    let mut caller = world.caller().await;
    for kind in Kind::ALL.iter().copied() {
        let Articles { many, one } = Articles::of(kind);
        for (user, article) in [(GREATEST - 5, many), (8, one)] {
            caller.toggled(kind, user, article, false).await;
            expected.remove(&(kind, user, article));
        }
    }
    world.settled().await;
    assert_eq!((world.standing().await, world.standing_in_redis(1..=last).await), (expected.clone(), expected));
    assert_eq!(world.ask(&["reconcile"]).await.0, 0);
}

/// The last id that is a number by itself.
const GREATEST: i64 = (1 << 62) - 1;

/// How many users have each kind on for an article of its own.
const USERS: i64 = 2000;

/// Of a kind: the one that many have on, and the one that a single user has.
struct Articles {
    many: i64,
    one: i64,
}

impl Articles {
    fn of(kind: Kind) -> Self {
        let first = 1 + 10 * place_of(kind);
        Self { many: first, one: first + 1 }
    }
}
