//! Users who were erased, and when: what they did until then is not applied, and does not come back.

use std::collections::{BTreeSet, HashMap, HashSet};

use contract::{Event, Truth, UserId, UserNumber};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, MySqlConnection, MySqlPool, query, query_as, query_scalar};

use super::{json::json, pair::codes};
use crate::store::{Store, StoreError};

/// When each erased user was erased.
pub(crate) type Erased = HashMap<UserNumber, Timestamp>;

/// The erasures of the events' users. Ask in the transaction that applies the events, so that an erasure and a redelivery
/// cannot miss each other.
pub(super) async fn among(connection: &mut MySqlConnection, events: &[&Event]) -> sqlx::Result<Erased> {
    // Most systems have erased nobody, or few.
    let any = "SELECT EXISTS (SELECT 1 FROM erased_user)";
    if !query_scalar::<_, bool>(any).fetch_one(&mut *connection).await? {
        return Ok(Erased::new());
    }
    let users: BTreeSet<UserNumber> = events.iter().filter_map(|event| Some(event.user.as_ref()?.number())).collect();
    let Some(users) = json(users.iter().map(|user| [user.get()])) else { return Ok(Erased::new()) };
    let rows: Vec<(i64, i64)> = query_as(
        "SELECT x.user_id, CAST(UNIX_TIMESTAMP(x.at) * 1000 AS SIGNED)
         FROM JSON_TABLE(?, '$[*]' COLUMNS (user_id BIGINT PATH '$[0]')) e
         STRAIGHT_JOIN erased_user x ON x.user_id = e.user_id",
    )
    .bind(users)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(user, at)| Some((user.try_into().ok()?, Timestamp::from_millisecond(at).ok()?)))
        .collect())
}

/// Which of these users were erased.
pub(crate) async fn of(mysql: &MySqlPool, users: &[UserId]) -> Result<HashSet<UserNumber>, StoreError> {
    let Some(users) = json(users.iter().map(|user| [user.number().get()])) else { return Ok(HashSet::new()) };
    let erased: Vec<i64> = query_scalar(
        "SELECT x.user_id FROM JSON_TABLE(?, '$[*]' COLUMNS (user_id BIGINT PATH '$[0]')) e
         STRAIGHT_JOIN erased_user x ON x.user_id = e.user_id",
    )
    .bind(users)
    .fetch_all(mysql)
    .await?;
    Ok(erased.into_iter().filter_map(|user| user.try_into().ok()).collect())
}

/// All erased users, each with the time in ms.
pub(super) async fn all(mysql: &MySqlPool) -> Result<HashMap<i64, i64>, StoreError> {
    let rows: Vec<(i64, i64)> =
        query_as("SELECT user_id, CAST(UNIX_TIMESTAMP(at) * 1000 AS SIGNED) FROM erased_user").fetch_all(mysql).await?;
    Ok(rows.into_iter().collect())
}

/// Records an erasure: what the user did until `at` is not applied any more, however often it is delivered.
pub(crate) async fn mark_erased(mysql: &MySqlPool, user: UserNumber, at: Timestamp) -> Result<(), StoreError> {
    query("INSERT INTO erased_user (user_id, at) VALUES (?, ?) ON DUPLICATE KEY UPDATE at = GREATEST(at, VALUES(at))")
        .bind(user.get())
        .bind(at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string())
        .execute(mysql)
        .await?;
    Ok(())
}

/// The time of the user's latest event that MySQL has, of the kinds and reads that the clocks of Redis date.
pub(crate) async fn last_event(mysql: &MySqlPool, user: UserNumber) -> Result<Timestamp, StoreError> {
    let ms: i64 = query_scalar(AssertSqlSafe(format!(
        "SELECT CAST(GREATEST(
             COALESCE((SELECT UNIX_TIMESTAMP(MAX(updated_at)) FROM interaction WHERE user_id = ? AND kind IN ({})), 0),
             COALESCE((SELECT UNIX_TIMESTAMP(MAX(last_read_at)) FROM user_read WHERE user_id = ?), 0)) * 1000 AS SIGNED)",
        codes(Truth::Redis)
    )))
    .bind(user.get())
    .bind(user.get())
    .fetch_one(mysql)
    .await?;
    Timestamp::from_millisecond(ms).map_err(|_| StoreError::Answer(Store::Mysql, "a time out of range".to_owned()))
}
