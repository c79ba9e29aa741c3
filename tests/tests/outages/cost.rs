//! What reading costs a database that nobody else asks meanwhile.

use anyhow::{Context, Result};
use contract::Kind;
use reqwest::Method;
use serde_json::Value;
use sqlx::MySqlPool;
use tests::{Model, partition_of};

use crate::{alone, in_time, kinds, shown, switch_all};

/// Far more than a page has, and within what a recursion may count by default.
const ROWS: i64 = 900;
const LIMIT: i64 = 20;
/// What a page of twenty may read: each row by the list's index and by the primary key, and one more row.
const READ: i64 = 3 * LIMIT;

/// The sum of the server's counters of such names. Asking counts too, and each time as much.
async fn counted(mysql: &MySqlPool, names: &'static str) -> Result<i64> {
    let counters: Vec<(String, String)> = sqlx::query_as(names).fetch_all(mysql).await?;
    counters.iter().map(|(_, count)| Ok(count.parse::<i64>()?)).sum()
}

/// All rows that the server has read so far, however it did.
async fn read(mysql: &MySqlPool) -> Result<i64> {
    counted(mysql, "SHOW GLOBAL STATUS LIKE 'Handler_read%'").await
}

#[test]
fn counters_and_states_cost_mysql_nothing() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        for (kind, article) in kinds(4800) {
            switch_all(&api, &mut model, kind, [(1, article)]).await?;
            shown(&api, &model, (1, article)).await?;
        }
        system.drained().await?;
        system.stack.persister.terminate().await?;
        let mysql = MySqlPool::connect(&system.stack.mysql_url()).await?;
        let asked = async || -> Result<i64> {
            let names = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_select', 'Com_call_procedure', 'Connections')";
            counted(&mysql, names).await
        };
        let before = asked().await?;
        for (_, article) in kinds(4800) {
            for path in [
                format!("/v1/articles/{article}/interactions"),
                format!("/v1/interactions?article_ids={article},4801,4802"),
                format!("/v1/interactions/totals?article_ids={article},4801"),
            ] {
                let body = api.get(&path).user(1).good().await?;
                let stale = if body["items"].is_array() { &body["items"][0]["stale"] } else { &body["stale"] };
                assert_eq!(stale, false, "{body}");
                api.get(&path).good().await?;
            }
        }
        assert_eq!(asked().await? - before, 0, "MySQL was asked");
        Ok(())
    })
}

#[test]
fn a_page_costs_the_same_however_deep_it_is() -> Result<()> {
    alone(async |system, api| {
        system.drained().await?;
        system.stack.persister.terminate().await?;
        let mysql = MySqlPool::connect(&system.stack.mysql_owner_url()).await?;
        let numbers = format!("WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS})");
        // User 9001 has each kind on for as many articles as users have it on for article 9001, and each row has a
        // neighbour of another user and article.
        let partition = partition_of(9001);
        for kind in Kind::ALL {
            let code = kind.code();
            for (user, article) in [("9001", "90000 + n"), ("90000 + n", "9001")] {
                let insert = format!(
                    "INSERT INTO interaction (article_id, kind, user_id, p, status, version_ms, version_seq, updated_at)
                     {numbers} SELECT {article}, {code}, {user}, {partition}, 1, 1700000000000 + n, 0, UTC_TIMESTAMP(3)
                     FROM n"
                );
                sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mysql).await?;
            }
        }
        let mine = Kind::ALL.iter().map(|kind| format!("/v1/me/{}", kind.count()));
        let public = Kind::ALL.iter().filter_map(|kind| Some(format!("/v1/articles/9001/{}", kind.listed()?)));
        for list in mine.chain(public) {
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
        let delete = "DELETE FROM interaction WHERE user_id = 9001 OR article_id = 9001";
        sqlx::query(delete).execute(&mysql).await?;
        Ok(())
    })
}
