//! Errors of a store.

use std::{fmt, time::Duration};

use contract::{Partition, scripts::Refusal};
use rdkafka::error::KafkaError;
use redis::RedisError;

/// A store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Redis,
    Mysql,
    Kafka,
}

impl fmt::Display for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Redis => "Redis",
            Self::Mysql => "MySQL",
            Self::Kafka => "Kafka",
        })
    }
}

/// Why a call to a store failed. The text names the store. The client's message is the source, so print the whole
/// chain.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("{}", Store::Redis)]
    Redis(#[from] RedisError),
    #[error("{}", Store::Mysql)]
    Mysql(#[from] sqlx::Error),
    #[error("{}", Store::Kafka)]
    Kafka(#[from] KafkaError),
    /// No broker could be used, for this reason.
    #[error("{}: {reason}", Store::Kafka)]
    KafkaAway {
        reason: String,
        #[source]
        error: KafkaError,
    },
    /// The server did not answer for that long, but may still be there.
    #[error("{store} did not answer within {} s", within.as_secs())]
    Stalled { store: Store, within: Duration },
    /// A script refused, and did nothing.
    #[error("partition {0}: {1}")]
    Refused(Partition, Refusal),
    /// This release does not know the answer or the value.
    #[error("{0}: {1}")]
    Answer(Store, String),
    /// The numbers of these names belong to other names. A retry cannot help.
    #[error("{reason}")]
    Collision { reason: String, names: Vec<(i64, String)> },
    /// A refusal or a state that is no failure of a store, as text.
    #[error("{0}")]
    Other(String),
}

impl StoreError {
    /// The store that failed, if any.
    pub(crate) const fn store(&self) -> Option<Store> {
        match self {
            Self::Redis(_) => Some(Store::Redis),
            Self::Mysql(_) => Some(Store::Mysql),
            Self::Kafka(_) | Self::KafkaAway { .. } => Some(Store::Kafka),
            Self::Stalled { store, .. } | Self::Answer(store, _) => Some(*store),
            Self::Refused(..) | Self::Collision { .. } | Self::Other(_) => None,
        }
    }
}
