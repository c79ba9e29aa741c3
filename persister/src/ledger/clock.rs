//! The time, by the clocks of the stores.

use jiff::Timestamp;
use redis::aio::ConnectionLike;
use sqlx::{MySqlExecutor, query_scalar};

use crate::store::{Store, StoreError, servers::Servers};

/// The time of one server of Redis.
async fn of_server(server: &mut impl ConnectionLike) -> Result<Timestamp, StoreError> {
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(server).await?;
    Timestamp::from_microsecond(seconds.saturating_mul(1_000_000).saturating_add(micros))
        .map_err(|_| StoreError::Answer(Store::Redis, "its clock is out of range".to_owned()))
}

/// Redis's time. If there are several servers, that of the first.
pub(crate) async fn time(redis: &mut Servers) -> Result<Timestamp, StoreError> {
    of_server(redis.any()?).await
}

/// The time of each server, in whole milliseconds.
pub(crate) async fn clocks(redis: &mut Servers) -> Result<Vec<Timestamp>, StoreError> {
    let mut clocks = Vec::new();
    for server in redis.each() {
        let now = of_server(server).await?;
        clocks.push(Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now));
    }
    Ok(clocks)
}

/// MySQL's time, in the form that MySQL compares.
pub(crate) async fn mysql_time(mysql: impl MySqlExecutor<'_>) -> Result<String, StoreError> {
    Ok(query_scalar("SELECT CAST(UTC_TIMESTAMP(3) AS CHAR)").fetch_one(mysql).await?)
}

/// A DATETIME(3) as RFC 3339.
macro_rules! rfc_3339 {
    ($column:literal) => {
        concat!("CONCAT(LEFT(DATE_FORMAT(", $column, ", '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z')")
    };
}
pub(super) use rfc_3339;
