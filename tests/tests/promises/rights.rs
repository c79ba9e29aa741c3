//! What each database user may do, and that it may do nothing else.

use contract::{Kind, SESSION, Truth};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, Row as _, mysql::MySqlDatabaseError, raw_sql};

use crate::world::{World, any_of};

/// What the components read, and of which tables.
const READ: [&str; 7] = [
    "SELECT kind, number, text FROM name",
    "SELECT article_id, kind, user_id, p, status, version_ms, version_seq, updated_at FROM interaction",
    "SELECT article_id, kind, count FROM interaction_count",
    "SELECT article_id, pv, uv, read_count FROM article_stats",
    "SELECT article_id, day, counter, gained, lost FROM history",
    "SELECT span, kind, place, article_id, gained FROM ranking",
    "SELECT kind, as_of FROM trends",
];

/// Switches on what MySQL decides.
fn toggle() -> String {
    format!("CALL toggle({}, 94, 7, 42, 1, NULL, 'user', NULL, NULL, '', '', NULL, NULL)", any_of(Truth::Mysql).code())
}

/// Runs a statement; the number of the server's error if it is refused.
async fn run(user: &mut MySqlConnection, sql: &str) -> Option<u16> {
    let error = raw_sql(AssertSqlSafe(sql.to_owned())).execute(user).await.err()?;
    let error = error.as_database_error().unwrap_or_else(|| panic!("{sql}: {error}"));
    Some(error.downcast_ref::<MySqlDatabaseError>().number())
}

/// Fails unless the user has no right to it: to a database, at all (access denied, of which file and server rights are
/// a part), to a table, to a column, or to a routine.
async fn denied(user: &mut MySqlConnection, sql: &str) {
    const DENIED: [u16; 6] = [1044, 1045, 1142, 1143, 1227, 1370];
    let number = run(user, sql).await;
    assert!(number.is_some_and(|number| DENIED.contains(&number)), "{sql}: {number:?}");
}

/// Each table of the database with its first column.
async fn tables(world: &World) -> Vec<(String, String)> {
    let sql = "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.columns
               WHERE table_schema = DATABASE() AND ordinal_position = 1";
    sqlx::query_as(sql).fetch_all(&world.mysql).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_components_user_may_do_what_they_need_and_nothing_else() {
    let world = World::new().await;
    let mut handlers = MySqlConnection::connect(&world.mariadb.handlers_url()).await.unwrap();

    for sql in READ.into_iter().chain([SESSION]) {
        assert_eq!(run(&mut handlers, sql).await, None, "{sql}");
    }
    let row = sqlx::query(AssertSqlSafe(toggle())).fetch_one(&mut handlers).await.unwrap();
    assert_eq!(row.get::<i64, _>("changed"), 1);

    let tables = tables(&world).await;
    assert!(tables.len() >= 10, "{tables:?}");
    for (table, column) in &tables {
        for sql in [
            format!("INSERT INTO {table} ({column}) VALUES (1)"),
            format!("REPLACE INTO {table} ({column}) VALUES (1)"),
            format!("UPDATE {table} SET {column} = 1"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE TABLE {table}"),
            format!("DROP TABLE {table}"),
            format!("ALTER TABLE {table} ADD COLUMN more BIGINT"),
            format!("CREATE INDEX more ON {table} ({column})"),
            format!("LOCK TABLES {table} WRITE"),
            format!("GRANT SELECT ON {table} TO 'reader'@'%'"),
        ] {
            denied(&mut handlers, &sql).await;
        }
        if !READ.iter().any(|sql| sql.ends_with(&format!(" {table}"))) {
            denied(&mut handlers, &format!("SELECT {column} FROM {table}")).await;
        }
    }
    for sql in [
        "SELECT uv_sketch FROM article_stats",
        "SELECT state FROM trends",
        "CREATE TABLE more (id BIGINT)",
        "CREATE VIEW more AS SELECT user_id FROM interaction",
        "CREATE PROCEDURE more() SELECT 1",
        "DROP PROCEDURE toggle",
        "CREATE DATABASE more",
        "CREATE USER more",
        "SELECT * FROM mysql.user",
        "USE mysql",
        "SET GLOBAL max_connections = 1",
        "SELECT user_id FROM interaction INTO OUTFILE '/tmp/interaction'",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE interaction",
    ] {
        denied(&mut handlers, sql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_persister_writes_rows_calls_the_procedure_and_changes_no_table() {
    let world = World::new().await;
    let mut persister = MySqlConnection::connect(&world.mariadb.persister_url()).await.unwrap();
    assert_eq!(run(&mut persister, &toggle()).await, None, "revoke and reconcile call it");
    for (table, column) in tables(&world).await {
        assert_eq!(run(&mut persister, &format!("SELECT * FROM {table}")).await, None, "{table}");
        assert_eq!(run(&mut persister, &format!("DELETE FROM {table} WHERE 0 = 1")).await, None, "{table}");
        for sql in [
            format!("TRUNCATE TABLE {table}"),
            format!("DROP TABLE {table}"),
            format!("ALTER TABLE {table} ADD COLUMN more BIGINT"),
            format!("CREATE INDEX more ON {table} ({column})"),
            format!("GRANT SELECT ON {table} TO 'reader'@'%'"),
        ] {
            denied(&mut persister, &sql).await;
        }
    }
    for sql in [
        "CREATE TABLE more (id BIGINT)",
        "CREATE PROCEDURE more() SELECT 1",
        "DROP PROCEDURE toggle",
        "CREATE USER more",
        "SELECT * FROM mysql.user",
        "SET GLOBAL max_connections = 1",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE interaction",
    ] {
        denied(&mut persister, sql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_procedure_has_its_owners_rights_and_the_reader_only_reads() {
    let world = World::new().await;
    let definer: (String, String) = sqlx::query_as(
        "SELECT CAST(definer AS CHAR), CAST(security_type AS CHAR) FROM information_schema.routines
         WHERE routine_schema = DATABASE() AND routine_name = 'toggle'",
    )
    .fetch_one(&world.mysql)
    .await
    .unwrap();
    assert_eq!(definer, ("migrator@%".to_owned(), "DEFINER".to_owned()));

    let mut reader = MySqlConnection::connect(&world.mariadb.reader_url()).await.unwrap();
    for (table, column) in tables(&world).await {
        assert_eq!(run(&mut reader, &format!("SELECT * FROM {table}")).await, None);
        denied(&mut reader, &format!("INSERT INTO {table} ({column}) VALUES (1)")).await;
        denied(&mut reader, &format!("UPDATE {table} SET {column} = 1")).await;
        denied(&mut reader, &format!("DELETE FROM {table}")).await;
    }
    denied(&mut reader, &toggle()).await;
}

/// It keeps the mode of the session that created it, whatever its caller's is.
#[tokio::test(flavor = "multi_thread")]
async fn the_procedure_has_the_mode_of_our_sessions_and_not_the_servers() {
    let world = World::new().await;
    let mut session = MySqlConnection::connect(&world.mariadb.owner_url()).await.unwrap();
    assert_eq!(run(&mut session, SESSION).await, None);
    let sql = "SELECT CAST(sql_mode AS CHAR), CAST(@@sql_mode AS CHAR) FROM information_schema.routines
               WHERE routine_schema = DATABASE()";
    let modes: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&mut session).await.unwrap();
    assert!(!modes.is_empty());
    for (procedure, ours) in modes {
        assert_eq!(procedure, ours);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_kinds_have_names() {
    let world = World::new().await;
    let kinds: Vec<(u8, String)> =
        sqlx::query_as("SELECT code, name FROM kind ORDER BY code").fetch_all(&world.mysql).await.unwrap();
    let mut expected: Vec<(u8, String)> = Kind::ALL.iter().map(|kind| (kind.code(), kind.name().to_owned())).collect();
    expected.sort();
    assert_eq!(kinds, expected);
}
