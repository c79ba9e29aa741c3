use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;

use crate::{Problem, config, seal};

/// How this component learns a client's address, and under which key it hashes it.
pub struct Clients {
    hops: usize,
    key: String,
}

impl Clients {
    /// From `trusted_proxy_hops` and `ip_hash_key`.
    pub async fn load() -> Result<Self, Problem> {
        Ok(Self::new(config::setting("trusted_proxy_hops").await?, config::secret("ip_hash_key").await?))
    }

    /// Behind so many proxies of ours.
    #[must_use]
    pub fn new(hops: usize, key: String) -> Self {
        Self { hops, key }
    }

    /// The keyed hash of the client's address: limits and events know a client by it alone.
    #[must_use]
    pub fn hash(&self, headers: &HeaderMap) -> String {
        let address = address(headers, self.hops).map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
        seal::keyed_hash(&self.key, &address)
    }
}

/// The address that our own outermost proxy saw: with `hops` proxies, that many entries from the right of
/// X-Forwarded-For, since each appends the one before it and what is further left came from outside. Without proxies,
/// or with too few entries, the connection's, which Spin appends after any copy that the client sent.
///
/// Of an IPv6 address the network of 64 bits, which is what one subscriber has.
fn address(headers: &HeaderMap, hops: usize) -> Option<IpAddr> {
    let forwarded = || {
        // By bytes: what came from outside may be no text, and must not hide what our proxies appended to it.
        let lines = headers.get_all("x-forwarded-for").iter();
        let entries: Vec<&[u8]> = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).collect();
        parse(std::str::from_utf8(entries.get(entries.len().checked_sub(hops)?)?).ok()?)
    };
    let connection = || parse(headers.get_all("spin-client-addr").iter().next_back()?.to_str().ok()?);
    let ip = if hops == 0 { None } else { forwarded() }.or_else(connection)?;
    Some(match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    })
}

/// An address with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn whatever_came_before_our_proxies_changes_nothing(
            outside in vec(vec(any::<u8>(), 0..40), 0..4),
            seen in vec(any::<IpAddr>(), 1..4),
        ) {
            let mut headers = HeaderMap::new();
            for line in outside.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
                headers.append("x-forwarded-for", line.clone());
                headers.append("spin-client-addr", line);
            }
            for address in &seen {
                headers.append("x-forwarded-for", address.to_string().parse().expect("a header value"));
            }
            headers.append("spin-client-addr", seen[0].to_string().parse().expect("a header value"));
            let connection = address(&headers, 0);
            prop_assert!(connection.is_some());
            prop_assert_eq!(address(&headers, seen.len()), connection);
        }
    }

    fn seen(hops: usize, sent: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, value.parse().expect("a header value"));
        }
        address(&headers, hops).map_or_else(|| "none".to_owned(), |ip| ip.to_string())
    }

    #[test]
    fn a_forged_address_gains_nothing() {
        let connection = ("spin-client-addr", "10.0.0.9:4711");
        let forged = ("x-forwarded-for", "1.1.1.1");
        assert_eq!(seen(0, &[forged, connection]), "10.0.0.9");
        assert_eq!(seen(0, &[("spin-client-addr", "1.1.1.1:1"), connection]), "10.0.0.9");
        assert_eq!(seen(1, &[("x-forwarded-for", "1.1.1.1, 2.2.2.2"), connection]), "2.2.2.2");
        assert_eq!(seen(1, &[forged, ("x-forwarded-for", "2.2.2.2"), connection]), "2.2.2.2");
        assert_eq!(seen(2, &[("x-forwarded-for", "1.1.1.1,2.2.2.2,3.3.3.3"), connection]), "2.2.2.2");
        assert_eq!(seen(3, &[forged, connection]), "10.0.0.9", "fewer entries than proxies");
    }

    #[test]
    fn what_is_no_text_hides_nothing() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", http::HeaderValue::from_bytes(b"\xe9, 2.2.2.2").expect("a header value"));
        headers.append("spin-client-addr", "10.0.0.9:4711".parse().expect("a header value"));
        assert_eq!(address(&headers, 1).map(|ip| ip.to_string()).as_deref(), Some("2.2.2.2"));
    }

    #[test]
    fn one_subscriber_has_one_ipv6_network() {
        assert_eq!(seen(0, &[("spin-client-addr", "[2001:db8:1:2:3:4:5:6]:80")]), "2001:db8:1:2::");
        assert_eq!(seen(0, &[("spin-client-addr", "[::ffff:192.0.2.1]:80")]), "192.0.2.1");
        assert_eq!(seen(0, &[]), "none");
    }
}
