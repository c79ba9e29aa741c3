//! What the stores' logs keep of past changes.

use redis::InfoDict;
use sqlx::{MySqlPool, query_as};

use crate::store::{StoreError, servers::Servers};

/// Whether any server of Redis keeps an append-only file.
pub(crate) async fn redis_keeps_a_log(redis: &mut Servers) -> Result<bool, StoreError> {
    for server in redis.each() {
        let info: InfoDict = redis::cmd("INFO").arg("persistence").query_async(server).await?;
        if info.get::<u64>("aof_enabled") == Some(1) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How long MySQL keeps its binary log, as text.
pub(crate) async fn binlog_days(mysql: &MySqlPool) -> Result<String, StoreError> {
    let (on, seconds): (i64, i64) =
        query_as("SELECT CAST(@@log_bin AS SIGNED), CAST(@@binlog_expire_logs_seconds AS SIGNED)")
            .fetch_one(mysql)
            .await?;
    Ok(match (on, seconds) {
        (0, _) => "no binary log is kept".to_owned(),
        (_, 0) => "for good: binlog_expire_logs_seconds is 0".to_owned(),
        (_, seconds) => format!("for {} days, by binlog_expire_logs_seconds", (seconds + 86_399) / 86_400),
    })
}
