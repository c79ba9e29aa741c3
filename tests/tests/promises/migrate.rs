//! `persister migrate` that was interrupted, lacked a right, or found a server that will not do.

use std::{process::Output, time::Duration};

use sqlx::{AssertSqlSafe, raw_sql};
use stack::MariaDb;

use crate::world::{LIMIT, World};

impl World {
    /// `migrate` as that user, to its end.
    async fn migrate(&self, url: &str) -> Output {
        self.command(&["migrate"]).env("INTERACTION_MYSQL_URL", url).output().await.unwrap()
    }

    async fn migrated(&self) {
        let output = self.migrate(&self.mariadb.owner_url()).await;
        assert!(output.status.success(), "{}", said(&output));
        let rows = "SELECT (SELECT COUNT(*) FROM _sqlx_migrations WHERE success) > 0
                       AND (SELECT COUNT(*) FROM _sqlx_migrations WHERE NOT success) = 0
                       AND (SELECT COUNT(*) FROM projector) = 1
                       AND (SELECT COUNT(*) FROM projection) = 128
                       AND (SELECT COUNT(*) FROM partition_state) = 128
                       AND (SELECT COUNT(*) FROM information_schema.routines
                            WHERE routine_schema = DATABASE() AND routine_name = 'toggle') = 1";
        assert!(sqlx::query_scalar::<_, bool>(rows).fetch_one(&self.mysql).await.unwrap(), "the schema is whole");
    }

    async fn count_tables(&self) -> sqlx::Result<i64> {
        let count = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()";
        sqlx::query_scalar(count).fetch_one(&self.mysql).await
    }

    async fn owner_runs(&self, sql: &str) {
        raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.mysql).await.unwrap();
    }

    async fn drop_all(&self) {
        self.owner_runs(
            "DROP DATABASE interaction; CREATE DATABASE interaction CHARACTER SET utf8mb4; USE interaction",
        )
        .await;
    }

    /// Begins to migrate, and waits until there are so many tables, or it has ended.
    async fn interrupted_at(&self, tables: i64) -> tokio::process::Child {
        let mut command = self.command(&["migrate"]);
        let mut migrate = command.env("INTERACTION_MYSQL_URL", self.mariadb.owner_url()).spawn().unwrap();
        while self.count_tables().await.unwrap() < tables && migrate.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        migrate
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The right that a refusal names, as a GRANT gives it.
fn lacking(said: &str) -> String {
    let word_after = |mark: &str| {
        let (_, rest) = said.split_once(mark)?;
        let name = rest.split_whitespace().next()?.trim_matches(|c: char| !c.is_alphanumeric() && c != '_');
        Some(name.rsplit(['.', '`', '\'']).next()?.to_owned())
    };
    let Some((before, _)) = said.split_once(" command denied to user") else {
        assert!(said.contains("to database 'interaction'"), "{said}");
        return "CREATE ROUTINE ON interaction.*".to_owned();
    };
    let rights = before.rsplit(": ").next().unwrap().rsplit(") ").next().unwrap();
    if rights.eq_ignore_ascii_case("grant") {
        return "GRANT OPTION ON interaction.*".to_owned();
    }
    let table = word_after("for table ").or_else(|| word_after("in table ")).unwrap_or_else(|| panic!("{said}"));
    format!("{rights} ON interaction.{table}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_lacks_a_right_goes_on_once_it_has_it() {
    let world = World::empty(async |folder| MariaDb::start_in(folder).await).await;
    // One who may only read, and is given one right after the other.
    let url = world.mariadb.reader_url();
    let mut given = Vec::new();
    loop {
        let output = world.migrate(&url).await;
        if output.status.success() {
            break;
        }
        let right = lacking(&said(&output));
        assert!(!given.contains(&right), "{right} is there: {}", said(&output));
        world.owner_runs(&format!("GRANT {right} TO 'reader'@'%'")).await;
        given.push(right);
    }
    println!("{} rights: {given:?}", given.len());
    assert!(given.len() > 20, "{given:?}");
    world.migrated().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_was_killed_or_whose_server_died_goes_on_after() {
    let world = World::empty(async |folder| MariaDb::start_in(folder).await).await;
    world.migrated().await;
    let all = world.count_tables().await.unwrap();
    for tables in 1..=all {
        world.drop_all().await;
        world.interrupted_at(tables).await.kill().await.unwrap();
        world.migrated().await;
    }
    for tables in (1..=all).step_by(4) {
        world.drop_all().await;
        let mut migrate = world.interrupted_at(tables).await;
        world.mariadb.kill().await.unwrap();
        tokio::time::timeout(LIMIT, migrate.wait()).await.unwrap().unwrap();
        world.mariadb.start().await.unwrap();
        world.migrated().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_log_takes_statements_alone_is_refused_before_anything_is_changed() {
    let world = World::empty(async |folder| MariaDb::start_with_binlog(folder, "STATEMENT").await).await;
    let refused = world.migrate(&world.mariadb.owner_url()).await;
    let said = said(&refused);
    assert!(!refused.status.success() && said.contains("nothing was changed"), "{said}");
    assert!(said.contains("binlog_format") && said.contains("ROW") && said.contains("MIXED"), "{said}");
    assert_eq!(world.count_tables().await.unwrap(), 0);
    assert!(!world.has_topic(&world.topic), "Kafka neither");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_log_takes_rows_where_they_are_needed_will_do() {
    let world = World::empty(async |folder| MariaDb::start_with_binlog(folder, "MIXED").await).await;
    world.migrated().await;
}
