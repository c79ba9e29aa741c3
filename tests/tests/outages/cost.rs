//! What lists cost, told by a database that nobody else asks meanwhile.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::Value;
use sqlx::MySqlPool;

use crate::{alone, in_time};

/// Far more than a page has, and within what a recursion may count by default.
const ROWS: i64 = 900;
const LIMIT: i64 = 20;
/// What a page of twenty may read: each row by the list's index and by the primary key, and one more row.
const READ: i64 = 3 * LIMIT;

/// All rows that the server has read so far, however it did. Asking is reading too, and each time as much.
async fn read(mysql: &MySqlPool) -> Result<i64> {
    let counters: Vec<(String, String)> =
        sqlx::query_as("SHOW GLOBAL STATUS LIKE 'Handler_read%'").fetch_all(mysql).await?;
    counters.iter().map(|(_, count)| Ok(count.parse::<i64>()?)).sum()
}

#[test]
fn a_page_costs_the_same_however_deep_it_is() -> Result<()> {
    alone(async |system, api| {
        system.drained().await?;
        system.stack.persister.terminate().await?;
        let mysql = MySqlPool::connect(&system.stack.mysql_owner_url()).await?;
        let numbers = format!("WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS})");
        // User 9001 likes and keeps as many articles as users like article 9001, and each like has a neighbour of
        // another user and article.
        for insert in [
            format!(
                "INSERT INTO user_like {numbers} SELECT 9001, 90000 + n, 1, 1700000000000 + n, 0, UTC_TIMESTAMP(3) FROM n"
            ),
            format!(
                "INSERT INTO user_like {numbers} SELECT 90000 + n, 9001, 1, 1700000000000 + n, 0, UTC_TIMESTAMP(3) FROM n"
            ),
            format!(
                "INSERT INTO user_collect {numbers} SELECT 9001, 90000 + n, UTC_TIMESTAMP(3) - INTERVAL n SECOND FROM n"
            ),
        ] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mysql).await?;
        }
        for list in ["/v1/me/likes", "/v1/articles/9001/likers", "/v1/me/collects"] {
            let page = async |limit: i64, cursor: &str| -> Result<Value> {
                let after = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
                let (answer, _) = in_time(&api, Method::GET, &format!("{list}?limit={limit}{after}"), 9001).await?;
                anyhow::ensure!(answer.status == 200, "{answer:?}");
                Ok(answer.body)
            };
            let mut cursor = String::new();
            for _ in 0..ROWS / 100 - 1 {
                let body = page(100, &cursor).await?;
                body["next_cursor"].as_str().context("it goes on")?.clone_into(&mut cursor);
            }
            for cursor in [String::new(), cursor] {
                let asking = read(&mysql).await?;
                let before = read(&mysql).await?;
                let items = page(LIMIT, &cursor).await?["items"].as_array().map(Vec::len);
                let rows = read(&mysql).await? - before - (before - asking);
                assert_eq!(items, usize::try_from(LIMIT).ok());
                println!("{list} after {cursor:?}: {rows} rows read");
                assert!(rows <= READ, "{list} after {cursor:?}: {rows} rows read");
            }
        }
        for delete in [
            "DELETE FROM user_like WHERE user_id = 9001 OR article_id = 9001",
            "DELETE FROM user_collect WHERE user_id = 9001",
        ] {
            sqlx::query(delete).execute(&mysql).await?;
        }
        Ok(())
    })
}
