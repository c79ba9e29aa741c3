//! The last known state of each outbox while its partition was warm, kept outside Redis for the case that Redis is
//! lost.

use contract::{Partition, Version};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, MySqlExecutor, MySqlPool, query_as, raw_sql};

use super::markers::Marker;
use crate::store::StoreError;

/// Records the lengths of the outboxes. `at` is from before the markers were read, so changes that they do not count
/// were acknowledged later. A partition that is not warm on `server` keeps its last record.
pub(crate) async fn remember(
    mysql: impl MySqlExecutor<'_>,
    server: &str,
    at: Timestamp,
    markers: &[(Partition, Marker)],
) -> Result<(), StoreError> {
    let rows: Vec<String> = markers
        .iter()
        .filter(|(_, marker)| marker.server == server)
        .map(|(partition, Marker { waiting, last: Version { ms, seq }, .. })| {
            format!("({partition},{},{waiting},{ms},{seq})", at.as_millisecond())
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let write = format!(
        "INSERT INTO outbox_seen (p, seen_ms, waiting, last_ms, last_seq) VALUES {}
         ON DUPLICATE KEY UPDATE seen_ms = VALUES(seen_ms), waiting = VALUES(waiting),
             last_ms = VALUES(last_ms), last_seq = VALUES(last_seq)",
        rows.join(",")
    );
    raw_sql(AssertSqlSafe(write)).execute(mysql).await?;
    Ok(())
}

/// For each partition that was ever recorded: its number, the time in ms, and how many entries waited.
pub(super) async fn read(mysql: &MySqlPool) -> Result<Vec<(u8, i64, i64)>, StoreError> {
    Ok(query_as("SELECT p, seen_ms, waiting FROM outbox_seen").fetch_all(mysql).await?)
}
