//! The schema of MySQL, and the rights of the components.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use contract::Kind;
use sqlx::{
    AssertSqlSafe, MySqlConnection, MySqlPool, QueryBuilder,
    migrate::{Migrate as _, MigrateError, Migrator},
    query, query_as, query_scalar, raw_sql,
};
use tracing::info;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// What the components read. They write only through the procedure, which has the rights of the user that created it;
/// that user must not be dropped.
const READ_BY_HANDLERS: [(&str, &str); 7] = [
    ("name", "kind, number, text"),
    ("interaction", "article_id, kind, user_id, p, status, version_ms, version_seq, updated_at"),
    ("interaction_count", "article_id, kind, count"),
    ("article_stats", "article_id, pv, uv, read_count"),
    ("history", "article_id, day, counter, gained, lost"),
    ("ranking", "span, kind, place, article_id, gained"),
    ("trends", "kind, as_of"),
];

/// Refuses a server that cannot run the service, before anything is changed.
///
/// A READ COMMITTED session, such as all of ours, cannot write if the binary log is STATEMENT: error 1665
/// (<https://dev.mysql.com/doc/refman/8.4/en/binary-log-setting.html>).
pub(crate) async fn will_do(mysql: &MySqlPool) -> anyhow::Result<()> {
    let settings = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format')";
    let settings: HashMap<String, String> = query_as(settings)
        .fetch_all(mysql)
        .await
        .context("the server's settings cannot be read")?
        .into_iter()
        .collect();
    let is = |name: &str, value: &str| settings.get(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    ensure!(
        !(is("log_bin", "ON") && is("binlog_format", "STATEMENT")),
        "binlog_format is STATEMENT, with which the server refuses all writes of the service (error 1665): set it to ROW or \
         MIXED, in its configuration and by SET GLOBAL, and on replicas that write a binary log too; nothing was changed"
    );
    Ok(())
}

/// Brings the tables to the state that this release needs. Repeatable after any interruption.
pub(crate) async fn migrate(mysql: &MySqlPool) -> anyhow::Result<()> {
    let mut connection = mysql.acquire().await?;
    // The connection's lock ends with it, whatever happens.
    connection.close_on_drop();
    up_to_date(&mut connection).await.context("the schema could not be brought up to date; run migrate again")?;
    drop(connection);
    name_kinds(mysql).await.context("the names of the kinds could not be written")?;
    info!(migrations = MIGRATIONS.iter().count(), "MySQL is up to date");
    Ok(())
}

/// MySQL commits at each change of a table, so an interrupted migration is partly applied
/// (<https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html>), and sqlx refuses to continue. Each of our
/// migrations can be repeated, since existing objects stay. So the mark is removed, under the lock of the migration.
async fn up_to_date(connection: &mut MySqlConnection) -> Result<(), MigrateError> {
    connection.lock().await?;
    connection.ensure_migrations_table(&MIGRATIONS.table_name).await?;
    let begun = query("DELETE FROM _sqlx_migrations WHERE NOT success").execute(&mut *connection).await?;
    if begun.rows_affected() > 0 {
        info!("a migration was interrupted; it is run again");
    }
    // The session has this lock already, and may take it twice.
    MIGRATIONS.run(connection).await
}

/// Writes the meaning of the numbers in the columns `kind`, for people's queries.
async fn name_kinds(mysql: &MySqlPool) -> sqlx::Result<()> {
    let mut insert = QueryBuilder::new("INSERT INTO kind (code, name) ");
    insert.push_values(Kind::ALL, |mut row, kind| {
        row.push_bind(kind.code()).push_bind(kind.name());
    });
    insert.push(" ON DUPLICATE KEY UPDATE name = VALUES(name)");
    insert.build().execute(mysql).await?;
    Ok(())
}

/// Grants a database user what the components need, and no more.
pub(crate) async fn grant(mysql: &MySqlPool, account: &str) -> anyhow::Result<()> {
    let account = quoted(account)?;
    let database: String = query_scalar("SELECT DATABASE()").fetch_one(mysql).await?;
    let database = format!("`{}`", database.replace('`', "``"));
    let mut grants = vec![format!("GRANT EXECUTE ON PROCEDURE {database}.toggle TO {account}")];
    grants.extend(
        READ_BY_HANDLERS.map(|(table, columns)| format!("GRANT SELECT ({columns}) ON {database}.{table} TO {account}")),
    );
    for grant in grants {
        raw_sql(AssertSqlSafe(grant.clone())).execute(mysql).await.with_context(|| {
            format!("refused: {grant}; the user must exist, and the user that migrates needs GRANT OPTION")
        })?;
    }
    info!(account, "granted the handlers' rights");
    Ok(())
}

/// `user` or `user@host` as an account name in SQL. Only plain characters are allowed.
fn quoted(account: &str) -> anyhow::Result<String> {
    let (user, host) = account.split_once('@').unwrap_or((account, "%"));
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.%:/".contains(&byte))
    };
    ensure!(
        plain(user) && plain(host),
        "INTERACTION_HANDLERS_DB_USER must be user or user@host, of letters, digits and _ - . % : /"
    );
    Ok(format!("'{user}'@'{host}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_quoted_or_refused() {
        assert_eq!(quoted("handlers").expect("plain"), "'handlers'@'%'");
        assert_eq!(quoted("handlers@10.0.0.%").expect("plain"), "'handlers'@'10.0.0.%'");
        for bad in ["", "@", "a@", "a'b", "a b", "a@b@c'", "a`"] {
            assert!(quoted(bad).is_err(), "{bad:?}");
        }
    }
}
