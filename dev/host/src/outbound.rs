//! `allowed_outbound_hosts`: the hosts to which a component may connect. There are none unless the manifest names them.
//!
//! Format: <https://spinframework.dev/v3/manifest-reference> and "Granting networking permissions" in
//! <https://spinframework.dev/v3/http-outbound>. CIDR blocks, `self`, and any scheme but those of Redis, `MySQL` and HTTP,
//! are refused at the start because this host could not honour them.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use url::{Host, Url};

/// The entries of one component.
#[derive(Debug, Default)]
pub(crate) struct AllowedHosts(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    scheme: Scheme,
    host: AllowedHost,
    ports: Range<u32>,
}

/// The protocols this host can speak for a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `redis://`
    Redis,
    /// `rediss://`, Redis over TLS.
    Rediss,
    /// `mysql://`
    Mysql,
    /// `http://`
    Http,
    /// `https://`
    Https,
}

impl Scheme {
    fn named(name: &str) -> Option<Self> {
        [Self::Redis, Self::Rediss, Self::Mysql, Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| scheme.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Rediss => "rediss",
            Self::Mysql => "mysql",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Spin has no default port for `rediss`, so the entry and the URL must name the port.
    fn default_port(self) -> Option<u16> {
        match self {
            Self::Redis => Some(6379),
            Self::Rediss => None,
            Self::Mysql => Some(3306),
            Self::Http => Some(80),
            Self::Https => Some(443),
        }
    }
}

#[derive(Debug)]
enum AllowedHost {
    Any,
    /// `*.example.com`, kept with its leading dot.
    Subdomain(String),
    Exactly(Host),
}

impl AllowedHosts {
    /// Parses entries whose templates are already expanded. An empty entry is dropped, which is how an optional store
    /// is left out.
    pub(crate) fn parse(entries: &[String]) -> Result<Self> {
        let entries = entries.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty());
        let parse = |entry| Entry::parse(entry).with_context(|| format!("allowed_outbound_hosts entry {entry:?}"));
        Ok(Self(entries.map(parse).collect::<Result<_>>()?))
    }

    /// Whether a component may open `address`, whose scheme is `default` if it has none. Logs a denied address.
    pub(crate) fn allows(&self, address: &str, default: Scheme) -> bool {
        let Some((scheme, host, port)) = destination(address, default) else {
            tracing::warn!("a component tried to open an address that is no {} URL", default.name());
            return false;
        };
        let allowed = self.0.iter().any(|entry| entry.allows(scheme, &host, port));
        if !allowed {
            tracing::warn!("denied: {}://{host}:{port} is not in allowed_outbound_hosts", scheme.name());
        }
        allowed
    }
}

/// Returns the scheme, host and port of `address`. None if it does not parse, or has no port and its scheme has no
/// default port. Like Spin, completes an address without a scheme.
fn destination(address: &str, default: Scheme) -> Option<(Scheme, Host, u16)> {
    let url = match Url::parse(address) {
        Ok(url) if url.has_host() => url,
        _ => Url::parse(&format!("{}://{address}", default.name())).ok()?,
    };
    let scheme = Scheme::named(url.scheme())?;
    // `url` leaves the hosts of unknown schemes as they are. Parsing the host again makes an IP address of an address
    // in digits.
    let host = Host::parse(url.host_str()?).ok()?;
    Some((scheme, host, url.port().or(scheme.default_port())?))
}

impl Entry {
    fn parse(text: &str) -> Result<Self> {
        let (scheme, rest) = text.split_once("://").context("has no scheme")?;
        let scheme = Scheme::named(scheme).context("this host speaks only redis, rediss, mysql, http and https")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        ensure!(rest != "self", "is the application itself, which is not supported");
        ensure!(!rest.contains('/'), "has a path or a network mask, which is not supported");
        // The colons inside an IPv6 address are before its closing bracket.
        let (host, ports) = match rest.rsplit_once(':') {
            Some((host, ports)) if !ports.contains(']') => (host, ports),
            _ => (rest, ""),
        };
        let host = match host.strip_prefix("*.") {
            _ if host == "*" => AllowedHost::Any,
            Some(domain) => AllowedHost::Subdomain(format!(".{}", Host::parse(domain)?)),
            None => AllowedHost::Exactly(Host::parse(host)?),
        };
        let port = |text: &str| text.parse::<u16>().map(u32::from).with_context(|| format!("{text:?} is not a port"));
        let ports = match (ports, ports.split_once("..")) {
            ("*", _) => 0..u32::from(u16::MAX) + 1,
            ("", _) => {
                let port = scheme.default_port().with_context(|| format!("{} has no default port", scheme.name()))?;
                u32::from(port)..u32::from(port) + 1
            }
            (_, Some((first, end))) => port(first)?..port(end)?,
            (single, None) => port(single)?..port(single)? + 1,
        };
        Ok(Self { scheme, host, ports })
    }

    fn allows(&self, scheme: Scheme, host: &Host, port: u16) -> bool {
        let same_host = match (&self.host, host) {
            (AllowedHost::Any, _) => true,
            (AllowedHost::Subdomain(suffix), Host::Domain(domain)) => domain.ends_with(suffix),
            (AllowedHost::Subdomain(_), _) => false,
            (AllowedHost::Exactly(allowed), host) => allowed == host,
        };
        self.scheme == scheme && same_host && self.ports.contains(&u32::from(port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entry: &str, address: &str, scheme: Scheme) -> bool {
        AllowedHosts::parse(&[entry.to_owned()]).unwrap().allows(address, scheme)
    }

    #[test]
    fn an_entry_allows_its_scheme_host_and_port_and_no_other() {
        for (entry, address, allowed) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379", true),
            ("redis://127.0.0.1:6379", "redis://user:p%40ss@127.0.0.1/0", true),
            ("redis://127.0.0.1:6379", "127.0.0.1:6379", true),
            ("redis://127.0.0.1", "redis://127.0.0.1:6379", true),
            ("redis://127.0.0.1:6379/", "redis://127.0.0.1:6379", true),
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6380", false),
            ("redis://127.0.0.1:6379", "redis://127.0.0.2:6379", false),
            ("redis://127.0.0.1:6379", "redis://localhost:6379", false),
            ("mysql://127.0.0.1:6379", "redis://127.0.0.1:6379", false),
            ("redis://127.0.0.1:6379", "mysql://127.0.0.1:6379", false),
            ("rediss://127.0.0.1:6379", "rediss://user:p%40ss@127.0.0.1:6379/0", true),
            ("rediss://127.0.0.1:6379", "rediss://127.0.0.1", false),
            ("rediss://127.0.0.1:6379", "redis://127.0.0.1:6379", false),
            ("redis://127.0.0.1:6379", "rediss://127.0.0.1:6379", false),
            ("redis://*:6379", "redis://anything:6379", true),
            ("redis://redis:*", "redis://redis:1", true),
            ("redis://redis:7000..7003", "redis://redis:7002", true),
            ("redis://redis:7000..7003", "redis://redis:7003", false),
            ("redis://*.example.com", "redis://cache.example.com", true),
            ("redis://*.example.com", "redis://example.com", false),
            ("redis://*.example.com", "redis://cacheexample.com", false),
            ("redis://[::1]:6379", "redis://[::1]:6379", true),
            ("redis://127.0.0.1:6379", "not a url", false),
        ] {
            assert_eq!(allows(entry, address, Scheme::Redis), allowed, "{entry} {address}");
        }
        assert!(allows("mysql://db", "mysql://user:secret@db:3306/interaction", Scheme::Mysql));
        for (entry, address, allowed) in [
            ("https://issuer.example.com", "https://issuer.example.com/.well-known/jwks.json", true),
            ("https://issuer.example.com", "https://issuer.example.com:443/keys?x=1", true),
            ("https://issuer.example.com", "https://issuer.example.com:8443/keys", false),
            ("https://issuer.example.com", "http://issuer.example.com/keys", false),
            ("https://issuer.example.com", "https://issuer.example.com.evil.example/keys", false),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000/keys", true),
            ("http://127.0.0.1:9000", "http://127.0.0.1/keys", false),
            ("redis://127.0.0.1:6379", "http://127.0.0.1:6379/", false),
        ] {
            assert_eq!(allows(entry, address, Scheme::Https), allowed, "{entry} {address}");
        }
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        assert!(!AllowedHosts::default().allows("redis://127.0.0.1:6379", Scheme::Redis));
        assert!(!allows("", "redis://127.0.0.1:6379", Scheme::Redis));
    }

    #[test]
    fn entries_that_cannot_be_honoured_are_errors() {
        for entry in [
            "ftp://example.com",
            "http://self",
            "*://*:*",
            "redis",
            "redis://10.0.0.0/8",
            "redis://h:x",
            "redis://self/path",
            "rediss://h",
        ] {
            assert!(AllowedHosts::parse(&[entry.to_owned()]).is_err(), "{entry}");
        }
    }
}
