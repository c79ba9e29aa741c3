//! Applies one batch of events in one transaction.

use std::{collections::BTreeSet, time::Duration};

use contract::{Change, Event, Kind, Partition, Truth};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, MySqlPool, query, raw_sql};

use super::{batch::Collapsed, deleted, erased, json::json, locks::lock_partitions, names, rows::rows_of, statements};
use crate::{
    metrics,
    store::{Store, StoreError, mysql::given_back, within},
};

/// A transaction that takes this long is waiting for a stalled server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Applies all of the events or none. Each has its effect once, however often it is delivered.
pub(crate) async fn apply(mysql: &MySqlPool, events: &[&Event]) -> Result<(), StoreError> {
    in_transaction(mysql, events, false).await
}

/// Records only that these events have been seen.
pub(crate) async fn note_seen(mysql: &MySqlPool, events: &[&Event]) -> Result<(), StoreError> {
    in_transaction(mysql, events, true).await
}

async fn in_transaction(mysql: &MySqlPool, events: &[&Event], only_seen: bool) -> Result<(), StoreError> {
    let mut connection = mysql.acquire().await?;
    let outcome = within(PATIENCE, Store::Mysql, transaction(&mut connection, events, only_seen)).await;
    given_back(connection, outcome)
}

async fn transaction(connection: &mut MySqlConnection, events: &[&Event], only_seen: bool) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    let partitions: BTreeSet<Partition> = events.iter().map(|event| Partition::of(event.article.number())).collect();
    // Around a rebalance two consumers may have the same event. The partition's lock guarantees that rows read below
    // are unchanged until they are written.
    lock_partitions(&mut transaction, &partitions).await?;
    let erased = erased::among(&mut transaction, events).await?;
    let deleted = deleted::among(&mut transaction, events).await?;
    let batch = Collapsed::of(events.iter().copied(), &erased, &deleted);
    if only_seen {
        run(&mut transaction, statements::write_seen(&batch.seen)).await?;
        return Ok(transaction.commit().await?);
    }
    let written = write(&mut transaction, &batch).await?;
    transaction.commit().await?;
    for kind in Kind::of(Truth::Redis) {
        let all = events.iter().filter(|event| matches!(event.change, Change::Switch(of, _) if of == kind)).count();
        let written = written.iter().filter(|of| **of == kind).count();
        metrics::ROWS_WRITTEN.add(written as u64, &[("kind", kind.name())]);
        metrics::ROWS_SKIPPED.add((all - written) as u64, &[("kind", kind.name())]);
    }
    Ok(())
}

/// Writes the tables in the order in which every writer locks them (see the migrations). Returns the kind of each state
/// that was newer than its row.
async fn write(connection: &mut MySqlConnection, batch: &Collapsed) -> Result<Vec<Kind>, StoreError> {
    names::none(batch.names.write(&mut *connection).await?)?;
    let rows = rows_of(&mut *connection, batch.states.keys()).await?;
    let (newer, deltas) = batch.against(&rows);
    run(connection, statements::write_rows(&newer)).await?;
    run(connection, statements::write_user_reads(&batch.user_reads)).await?;
    run(connection, statements::raise_counts(&deltas)).await?;
    let falling = deltas.iter().filter(|(_, delta)| **delta < 0);
    let fewer = json(falling.map(|((article, kind), delta)| [article.get(), kind.code().into(), -delta]));
    if let Some(fewer) = fewer {
        query(statements::LOWER_COUNTS).bind(fewer).execute(&mut *connection).await?;
    }
    run(connection, statements::write_reads(&batch.reads)).await?;
    run(connection, statements::write_seen(&batch.seen)).await?;
    Ok(newer.iter().map(|((_, kind, _), _)| *kind).collect())
}

async fn run(connection: &mut MySqlConnection, statement: Option<String>) -> sqlx::Result<()> {
    if let Some(statement) = statement {
        raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    }
    Ok(())
}
