//! The ways from the application and the persister to the stores.

use crate::{Kafka, MariaDb, Proxy, Redis};
use anyhow::Result;

/// A proxy before each store. Tests that look into the stores go past them.
pub struct Network {
    /// To Redis.
    pub redis: Proxy,
    /// To MariaDB.
    pub mysql: Proxy,
    /// To Kafka.
    pub kafka: Proxy,
}

impl Network {
    pub(crate) fn to(redis: &Redis, mariadb: &MariaDb, kafka: Proxy) -> Result<Self> {
        Ok(Self { redis: Proxy::to(redis.port())?, mysql: Proxy::to(mariadb.port())?, kafka })
    }

    /// Everything passes everywhere.
    pub fn release(&self) {
        [&self.redis, &self.mysql, &self.kafka].into_iter().for_each(Proxy::release);
    }
}

/// Where the application and the persister find the stores.
pub(crate) struct Addresses {
    pub(crate) redis_components: String,
    pub(crate) redis_persister: String,
    pub(crate) mysql_handlers: String,
    pub(crate) mysql_persister: String,
    pub(crate) mysql_owner: String,
    pub(crate) kafka: String,
}

impl Addresses {
    pub(crate) fn of(redis: &Redis, mariadb: &MariaDb, kafka: &Kafka, network: Option<&Network>) -> Self {
        // Spin's client, once connected, would change over to the server's Unix socket, past a proxy and without TLS.
        let mut handlers = mariadb.handlers_url();
        handlers += if handlers.contains('?') { "&" } else { "?" };
        handlers += "prefer_socket=false";
        let direct = Self {
            redis_components: redis.components_url(),
            redis_persister: redis.persister_url(),
            mysql_handlers: handlers,
            mysql_persister: mariadb.persister_url(),
            mysql_owner: mariadb.owner_url(),
            kafka: kafka.brokers(),
        };
        let Some(network) = network else { return direct };
        Self {
            redis_components: network.redis.instead_of(redis.port(), &direct.redis_components),
            redis_persister: network.redis.instead_of(redis.port(), &direct.redis_persister),
            mysql_handlers: network.mysql.instead_of(mariadb.port(), &direct.mysql_handlers),
            mysql_persister: network.mysql.instead_of(mariadb.port(), &direct.mysql_persister),
            mysql_owner: network.mysql.instead_of(mariadb.port(), &direct.mysql_owner),
            kafka: format!("127.0.0.1:{}", network.kafka.port()),
        }
    }
}
