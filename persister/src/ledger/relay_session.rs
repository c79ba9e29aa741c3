//! What a rebuild must know of each relay: whether it may still have entries in flight of a Redis that is gone.

use std::time::Duration;

use contract::Partition;
use sqlx::{FromRow, MySqlExecutor, MySqlPool, QueryBuilder, query, query_as};

use crate::store::{StoreError, kafka::DELIVERY};

/// Entries taken longer ago are not sent: a relay that was suspended must not ship changes that a rebuilt Redis lacks.
pub(crate) const TAKEN_TO_SENT: Duration = Duration::from_secs(2);
/// How long a rebuild waits for a silent relay. By then everything that the relay had taken has been delivered or has
/// failed, unless its process was suspended.
pub(crate) const SILENCE: Duration = DELIVERY.saturating_add(TAKEN_TO_SENT);

/// A relay's report about one server.
pub(crate) struct Session<'a> {
    pub(crate) relay: &'a str,
    pub(crate) partitions: &'a [Partition],
    /// The server that it reads from. Empty for none.
    pub(crate) run_id: String,
    /// The age of the oldest entry in flight, at the time of writing.
    pub(crate) oldest: Duration,
}

/// Writes the rows of a relay in one statement. `now` is a time of MySQL's clock.
pub(crate) async fn beat(mysql: impl MySqlExecutor<'_>, now: &str, sessions: &[Session<'_>]) -> Result<(), StoreError> {
    if sessions.is_empty() {
        return Ok(());
    }
    let mut insert = QueryBuilder::new(
        "INSERT INTO relay_session (relay_id, partitions_low, partitions_high, run_id, drained_to, seen_at) ",
    );
    insert.push_values(sessions, |mut row, session| {
        let (low, high) = bits(session.partitions);
        // The columns have a precision of one millisecond.
        let oldest = u64::try_from(session.oldest.as_micros()).unwrap_or(u64::MAX).saturating_add(1000);
        row.push_bind(session.relay).push_bind(low).push_bind(high).push_bind(&session.run_id);
        row.push("CAST(").push_bind_unseparated(now).push_unseparated(" AS DATETIME(3)) - INTERVAL ");
        row.push_bind_unseparated(oldest).push_unseparated(" MICROSECOND").push("UTC_TIMESTAMP(3)");
    });
    insert.push(
        " ON DUPLICATE KEY UPDATE run_id = VALUES(run_id), drained_to = VALUES(drained_to), seen_at = VALUES(seen_at)",
    );
    insert.build().execute(mysql).await?;
    Ok(())
}

/// Removes a relay's rows of servers of which it has nothing in flight.
pub(crate) async fn forget(mysql: impl MySqlExecutor<'_>, relays: &[String]) -> Result<(), StoreError> {
    if relays.is_empty() {
        return Ok(());
    }
    let mut delete = QueryBuilder::new("DELETE FROM relay_session WHERE relay_id IN ");
    delete.push_tuples(relays, |mut row, relay| {
        row.push_bind(relay);
    });
    delete.build().execute(mysql).await?;
    Ok(())
}

/// A relay whose row says that it may still have entries in flight.
#[derive(Debug, FromRow)]
pub(crate) struct Relay {
    pub(crate) relay_id: String,
    pub(crate) same_server: bool,
}

/// The relays that may have entries of these partitions in flight from before `now`: taken from another server, or not
/// delivered yet.
pub(crate) async fn in_flight(
    mysql: &MySqlPool,
    partitions: &[Partition],
    server: &str,
    now: &str,
) -> Result<Vec<Relay>, StoreError> {
    let (low, high) = bits(partitions);
    // A serving server's name may change with its replication. Its relays learn that with their next session.
    let (process, _) = server.split_once(':').unwrap_or((server, ""));
    Ok(query_as(
        "SELECT relay_id, SUBSTRING_INDEX(run_id, ':', 1) = ? AS same_server FROM relay_session
         WHERE ((partitions_low & ?) | (partitions_high & ?)) <> 0 AND run_id <> ''
           AND (SUBSTRING_INDEX(run_id, ':', 1) <> ? OR drained_to <= CAST(? AS DATETIME(3)))",
    )
    .bind(process)
    .bind(low)
    .bind(high)
    .bind(process)
    .bind(now)
    .fetch_all(mysql)
    .await?)
}

/// Removes the rows of relays that have been silent since `now`, so that nobody waits for them again.
pub(crate) async fn forget_silent(mysql: &MySqlPool, now: &str) -> Result<(), StoreError> {
    query("DELETE FROM relay_session WHERE seen_at < CAST(? AS DATETIME(3))").bind(now).execute(mysql).await?;
    Ok(())
}

/// Partitions as a set of 128 bits, which MySQL can compare.
fn bits(partitions: &[Partition]) -> (u64, u64) {
    let set = partitions.iter().fold(0_u128, |set, partition| set | 1 << partition.get());
    #[expect(clippy::cast_possible_truncation, reason = "each half of it")]
    (set as u64, (set >> 64) as u64)
}
