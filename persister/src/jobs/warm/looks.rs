//! Records the state of a Redis while it is whole, so that a later loss can be bounded.

use std::time::{Duration, Instant};

use contract::Partition;
use jiff::Timestamp;
use sqlx::MySqlPool;
use tracing::warn;

use crate::{
    ledger::{markers::Marker, outbox_seen},
    store::{Store, StoreError, mysql::given_back, within},
};

const EVERY: Duration = Duration::from_secs(1);
/// A record that MySQL does not take within this time is dropped; the next one is newer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Saves the lengths of the outboxes in MySQL, once a second.
pub(super) struct Looks {
    last: Option<Instant>,
    failing: bool,
}

impl Looks {
    pub(super) const fn new() -> Self {
        Self { last: None, failing: false }
    }

    /// Whether the next record is due.
    pub(super) fn due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= EVERY)
    }

    /// Writes one record. A series of failures is logged once.
    pub(super) async fn remember(
        &mut self,
        mysql: &MySqlPool,
        server: &str,
        at: Timestamp,
        markers: &[(Partition, Marker)],
    ) {
        self.last = Some(Instant::now());
        match write(mysql, server, at, markers).await {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                let error = anyhow::Error::from(error);
                warn!("cannot write what is seen of the outboxes; if Redis is lost now, less is known: {error:#}");
            }
            Err(_) => (),
        }
    }
}

async fn write(
    mysql: &MySqlPool,
    server: &str,
    at: Timestamp,
    markers: &[(Partition, Marker)],
) -> Result<(), StoreError> {
    let mut connection = mysql.acquire().await?;
    let remember = outbox_seen::remember(&mut *connection, server, at, markers);
    let outcome = within(PATIENCE, Store::Mysql, remember).await;
    given_back(connection, outcome)
}
