//! What only MySQL itself can tell, and what only its administrator may set.

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{Connection, MySqlConnection, MySqlExecutor, mysql::MySqlConnectOptions};
use stack::wait_for;

use crate::world::World;

const PATIENCE: Duration = Duration::from_mins(5);

/// A number out of SHOW GLOBAL STATUS.
pub(crate) async fn status(mysql: impl MySqlExecutor<'_>, name: &str) -> Result<u64> {
    let (_, value): (String, String) = sqlx::query_as("SHOW GLOBAL STATUS WHERE Variable_name = ?")
        .bind(name)
        .fetch_optional(mysql)
        .await?
        .with_context(|| format!("MySQL has no status {name}"))?;
    Ok(value.parse()?)
}

/// Sets the size of the buffer pool and waits until it is no larger; the size that MySQL made of it, in bytes.
pub(crate) async fn set_buffer_pool(world: &World, bytes: u64) -> Result<u64> {
    let socket = MySqlConnectOptions::new().socket(world.stack.data().join("mysql.sock")).username("root");
    let mut root = MySqlConnection::connect_with(&socket).await?;
    let set = format!("SET GLOBAL innodb_buffer_pool_size = {bytes}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut root).await?;
    let mut size = 0;
    wait_for("the buffer pool to have its size", PATIENCE, async || {
        (size,) = sqlx::query_as("SELECT @@innodb_buffer_pool_size").fetch_one(&mut root).await?;
        let pages = status(&mut root, "Innodb_buffer_pool_pages_total").await?;
        let page = status(&mut root, "Innodb_page_size").await?;
        Ok((pages * page <= size).then_some(()))
    })
    .await?;
    root.close().await?;
    Ok(size)
}

/// Bytes of a table and its indexes.
pub(crate) async fn table_bytes(world: &World, table: &str) -> Result<u64> {
    sqlx::query(sqlx::AssertSqlSafe(format!("ANALYZE TABLE {table}"))).execute(&world.mysql).await?;
    let sql = "SELECT CAST(data_length + index_length AS UNSIGNED) FROM information_schema.tables
               WHERE table_schema = DATABASE() AND table_name = ?";
    Ok(sqlx::query_scalar(sql).bind(table).fetch_one(&world.mysql).await?)
}
