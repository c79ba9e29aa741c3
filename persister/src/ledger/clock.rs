//! What time it is, by the stores' clocks.

use jiff::Timestamp;
use redis::aio::ConnectionLike;
use sqlx::{MySqlPool, query_scalar};

use crate::store::{Store, StoreError, servers::Servers};

/// The time of one server of Redis.
async fn of_server(server: &mut impl ConnectionLike) -> Result<Timestamp, StoreError> {
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(server).await?;
    Timestamp::from_microsecond(seconds.saturating_mul(1_000_000).saturating_add(micros))
        .map_err(|_| StoreError::Answer(Store::Redis, "its clock is out of range".to_owned()))
}

/// Redis's time of day; of several servers, the first one's.
pub(crate) async fn time(redis: &mut Servers) -> Result<Timestamp, StoreError> {
    of_server(redis.any()?).await
}

/// What each server's clock says, in whole milliseconds.
pub(crate) async fn clocks(redis: &mut Servers) -> Result<Vec<Timestamp>, StoreError> {
    let mut clocks = Vec::new();
    for server in redis.each() {
        let now = of_server(server).await?;
        clocks.push(Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now));
    }
    Ok(clocks)
}

/// MySQL's time, as it compares it.
pub(crate) async fn mysql_time(mysql: &MySqlPool) -> Result<String, StoreError> {
    Ok(query_scalar("SELECT CAST(UTC_TIMESTAMP(3) AS CHAR)").fetch_one(mysql).await?)
}
