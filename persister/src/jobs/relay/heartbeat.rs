//! The relay's rows in MySQL, one for each server that it reads. A rebuild learns from them whether the relay may still
//! have entries of that server in flight.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::MySqlPool;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::taken::Taken;
use crate::{
    backoff::pause,
    ledger::{
        clock::mysql_time,
        relay_session::{self, Session},
    },
    store::{Store, StoreError, mysql::given_back, place::Place, within},
};

const HEARTBEAT: Duration = Duration::from_millis(400);
/// A heartbeat that MySQL does not answer within this time is dropped. The relay goes on without it.
const PATIENCE: Duration = Duration::from_secs(3);

/// All servers that this process relays, by the names of their rows. They share one heartbeat, since a cluster may have
/// many servers.
#[derive(Default)]
pub(super) struct Heartbeat(Mutex<Rows>);

#[derive(Default)]
struct Rows {
    next: u64,
    all: BTreeMap<String, Relayed>,
}

#[derive(Clone)]
struct Relayed {
    place: Place,
    taken: Arc<Taken>,
    /// Nothing is in flight now, and nothing more will be read.
    drained: bool,
}

impl Heartbeat {
    /// Adds a row and returns its name. When a server's partitions change, entries taken before the change belong to
    /// the old row, and later ones to a new row.
    pub(super) fn add(&self, consumer: &str, place: &Place, taken: &Arc<Taken>) -> String {
        let relayed = Relayed { place: place.clone(), taken: Arc::clone(taken), drained: false };
        let mut rows = self.lock();
        let name = format!("{consumer}#{}", rows.next);
        rows.next += 1;
        rows.all.insert(name.clone(), relayed);
        name
    }

    /// No entry of the row is in flight any more. The next heartbeat removes the row.
    pub(super) fn drained(&self, row: &str) {
        if let Some(relayed) = self.lock().all.get_mut(row) {
            relayed.drained = true;
        }
    }

    /// Writes the rows until `stop`, then removes those without entries in flight.
    pub(super) async fn run(&self, mysql: &MySqlPool, stop: &CancellationToken) {
        let mut failing = false;
        while !stop.is_cancelled() {
            match self.beat(mysql).await {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    let error = anyhow::Error::from(error);
                    warn!(
                        "cannot write the relay's heartbeat; a Redis that restarts is warmed later for it: {error:#}"
                    );
                }
                Err(_) => (),
            }
            pause(HEARTBEAT, stop).await;
        }
        // If this fails, a rebuild finds the rows silent and waits a little longer.
        let drained: Vec<String> =
            self.lock().all.iter().filter(|(_, relayed)| relayed.drained).map(|(name, _)| name.clone()).collect();
        let _ = tokio::time::timeout(Duration::from_secs(1), relay_session::forget(mysql, &drained)).await;
    }

    async fn beat(&self, mysql: &MySqlPool) -> Result<(), StoreError> {
        let all = self.lock().all.clone();
        let (drained, working): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, relayed)| relayed.drained);
        let sessions = working.iter().map(|(name, relayed)| (name.as_str(), &relayed.place, &*relayed.taken));
        write(mysql, sessions).await?;
        let drained: Vec<String> = drained.into_iter().map(|(name, _)| name).collect();
        if drained.is_empty() {
            return Ok(());
        }
        let mut connection = mysql.acquire().await?;
        let outcome = within(PATIENCE, Store::Mysql, relay_session::forget(&mut *connection, &drained)).await;
        given_back(connection, outcome)?;
        let left = &mut self.lock().all;
        for name in drained {
            left.remove(&name);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what [`Taken`] knows of one server. Call it before the first read from the server, so that a rebuild knows of
/// the relay before any of its entries is in flight.
pub(super) async fn beat(mysql: &MySqlPool, row: &str, place: &Place, taken: &Taken) -> Result<(), StoreError> {
    write(mysql, [(row, place, taken)]).await
}

async fn write<'a>(
    mysql: &MySqlPool,
    sessions: impl IntoIterator<Item = (&'a str, &'a Place, &'a Taken)>,
) -> Result<(), StoreError> {
    let mut connection = mysql.acquire().await?;
    let beat = async {
        // Read the clock first: entries taken between the two steps must not count as delivered.
        let now = mysql_time(&mut *connection).await?;
        let sessions: Vec<Session<'_>> = sessions
            .into_iter()
            .map(|(relay, place, taken)| {
                let (run_id, oldest) = taken.oldest(Instant::now());
                Session { relay, partitions: &place.partitions, run_id, oldest }
            })
            .collect();
        relay_session::beat(&mut *connection, &now, &sessions).await
    };
    let outcome = within(PATIENCE, Store::Mysql, beat).await;
    given_back(connection, outcome)
}
