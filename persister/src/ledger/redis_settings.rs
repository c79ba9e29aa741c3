//! The settings of Redis on which the promises depend: acknowledged changes are on its disk, and stay in its memory.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use redis::aio::MultiplexedConnection;
use serde::Serialize;

use crate::{
    config::RedisDurability,
    store::{StoreError, info::word_of, servers::Servers},
};

/// A setting with its only right value, and its name in INFO.
type Needed = (&'static str, &'static str, Option<&'static str>);

/// With any other policy a full Redis drops keys: likes with `allkeys-…`, used view tokens even with `volatile-…`.
const POLICY: Needed = ("maxmemory-policy", "noeviction", Some("maxmemory_policy"));
const LOG: Needed = ("appendonly", "yes", Some("aof_enabled"));
const SYNC: Needed = ("appendfsync", "always", None);

const fn needed(durability: RedisDurability) -> &'static [Needed] {
    match durability {
        RedisDurability::Server => &[POLICY, LOG, SYNC],
        // A provider's durable log is not the append-only file, which its servers may show as off. They still evict.
        RedisDurability::Provider => &[POLICY],
    }
}

/// One of the settings.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    needed: &'static str,
    /// The values of the servers, each once; null for a server that does not show it.
    found: BTreeSet<Option<String>>,
}

impl Setting {
    /// Whether a server has another value. An unknown value is not wrong.
    pub(crate) fn is_wrong(&self) -> bool {
        self.found.iter().flatten().any(|found| found != self.needed)
    }

    /// Whether all servers show the value.
    pub(crate) fn is_known(&self) -> bool {
        !self.found.contains(&None)
    }
}

impl fmt::Display for Setting {
    /// `appendfsync everysec`, or `appendfsync not known`; if servers differ, each value.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found: Vec<&str> = self.found.iter().map(|found| found.as_deref().unwrap_or("not known")).collect();
        write!(out, "{} {}", self.name, found.join(" or "))
    }
}

/// What is wrong and what would be right, as text.
pub(crate) fn wrong(settings: &[Setting]) -> impl Iterator<Item = String> {
    settings.iter().filter(|setting| setting.is_wrong()).map(|setting| format!("{setting}, not {}", setting.needed))
}

/// Asks every server.
pub(crate) async fn settings(redis: &mut Servers, durability: RedisDurability) -> Result<Vec<Setting>, StoreError> {
    let needed = needed(durability);
    let mut said = Vec::new();
    for server in redis.each() {
        said.push(of(server, needed).await?);
    }
    Ok(needed
        .iter()
        .enumerate()
        .map(|(at, (name, needed, _))| Setting { name, needed, found: said.iter().map(|of| of[at].clone()).collect() })
        .collect())
}

/// If CONFIG is refused, as by many managed services, INFO is left, which has no `appendfsync`
/// (<https://redis.io/docs/latest/commands/info/>).
async fn of(server: &mut MultiplexedConnection, needed: &[Needed]) -> Result<Vec<Option<String>>, StoreError> {
    let info: String = redis::cmd("INFO").query_async(server).await?;
    let names: Vec<&str> = needed.iter().map(|(name, ..)| *name).collect();
    let config: HashMap<String, String> =
        redis::cmd("CONFIG").arg("GET").arg(&names).query_async(server).await.unwrap_or_default();
    let found = needed.iter().map(|(name, _, in_info)| {
        let by_info = || match word_of(&info, (*in_info)?)? {
            "0" => Some("no".to_owned()),
            "1" => Some("yes".to_owned()),
            other => Some(other.to_owned()),
        };
        config.get(*name).cloned().or_else(by_info)
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(found: &[Option<&str>]) -> Setting {
        let found = found.iter().map(|found| found.map(str::to_owned)).collect();
        Setting { name: "appendfsync", needed: "always", found }
    }

    #[test]
    fn a_setting_is_wrong_where_one_server_has_another_value_and_not_where_none_says() {
        assert!(setting(&[Some("always"), Some("everysec")]).is_wrong());
        assert!(setting(&[None, Some("no")]).is_wrong());
        assert!(!setting(&[Some("always")]).is_wrong());
        assert!(!setting(&[None]).is_wrong() && !setting(&[None]).is_known());
        assert_eq!(setting(&[None]).to_string(), "appendfsync not known");
        assert_eq!(wrong(&[setting(&[Some("no")])]).collect::<Vec<_>>(), ["appendfsync no, not always"]);
    }
}
