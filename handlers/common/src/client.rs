use std::{
    cell::Cell,
    net::{IpAddr, Ipv6Addr},
};

use http::{HeaderName, header::FORWARDED};

use crate::{
    Headers, Problem, config,
    forwarded::{self, Lacks},
    headers::text,
    seal::Hasher,
};

/// How this component learns a client's address, and with which key it hashes the address.
pub struct Clients {
    source: Source,
    hasher: Hasher,
}

/// Where the client's address comes from.
enum Source {
    /// The connection, because no proxy of ours is in front.
    Connection,
    /// A list to which each proxy of ours appends the address that it saw, and the number of these proxies.
    List(HeaderName, usize),
    /// A header that our outermost proxy sets to one address, whatever the client sent.
    One(HeaderName),
}

impl Clients {
    /// Reads `client_address_header`, `trusted_proxy_hops` and `ip_hash_key`.
    pub async fn load() -> Result<Self, Problem> {
        let header = config::setting("client_address_header").await?;
        let hops = config::setting("trusted_proxy_hops").await?;
        Ok(Self::new(&header, hops, &config::secret("ip_hash_key").await?))
    }

    /// Takes addresses from that header. `X-Forwarded-For` and `Forwarded` are lists to which `hops` proxies of ours
    /// append. Any other header has one address.
    #[must_use]
    pub fn new(header: &HeaderName, hops: usize, key: &str) -> Self {
        let source = match header {
            list if *list == FORWARDED || list == "x-forwarded-for" => match hops {
                0 => Source::Connection,
                hops => Source::List(list.clone(), hops),
            },
            one => Source::One(one.clone()),
        };
        Self { source, hasher: Hasher::new(key) }
    }

    /// The keyed hash of the client's address. Limits, visitors and events use only this hash.
    #[must_use]
    pub fn hash(&self, headers: &dyn Headers) -> String {
        let address = self.address(headers).map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
        self.hasher.hash(&address)
    }

    /// The address that our outermost proxy saw. Each proxy appends one address to a list, so with n proxies it is the
    /// nth from the right; everything further left came from outside. Without proxies, or if the header lacks the
    /// address, it is the connection's.
    ///
    /// An IPv6 address is cut to its network of 64 bits, because one subscriber has a whole network.
    fn address(&self, headers: &dyn Headers) -> Option<IpAddr> {
        let (name, found) = match &self.source {
            Source::Connection => return connection(headers).map(network),
            Source::List(name, hops) => (name, forwarded::nth_from_right(headers, name, *hops)),
            Source::One(name) => (name, forwarded::only(headers, name)),
        };
        let found = found.inspect_err(|lacks| say_once(name, *lacks));
        found.ok().or_else(|| connection(headers)).map(network)
    }
}

/// The address of the connection. Spin appends this header after any that the client sent, so the last one counts.
fn connection(headers: &dyn Headers) -> Option<IpAddr> {
    forwarded::address(&text(headers.all("spin-client-addr").pop()?)?)
}

fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Logs that the header lacks the client's address. All clients behind a proxy then share its address and its limits,
/// and nobody would notice otherwise. Logs once in each instance, because it may concern every request, and logs no
/// address.
fn say_once(name: &HeaderName, lacks: Lacks) {
    thread_local! {
        static SAID: Cell<bool> = const { Cell::new(false) };
    }
    if !SAID.replace(true) {
        let what = match lacks {
            Lacks::Header => "a request has none",
            Lacks::Hops => "a request has fewer addresses than trusted_proxy_hops says",
            Lacks::Address => "a request has no address in the client's place",
        };
        eprintln!("client_address_header {name}: {what}; the connection's address is used, which is that of a proxy");
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
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
            let connection = behind("x-forwarded-for", 0).address(&headers);
            prop_assert!(connection.is_some());
            prop_assert_eq!(behind("x-forwarded-for", seen.len()).address(&headers), connection);
        }
    }

    fn behind(header: &'static str, hops: usize) -> Clients {
        Clients::new(&HeaderName::from_static(header), hops, "")
    }

    fn seen(hops: usize, sent: &[(&'static str, &'static str)]) -> String {
        seen_by(&behind("x-forwarded-for", hops), sent)
    }

    fn seen_by(clients: &Clients, sent: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, value.parse().expect("a header value"));
        }
        clients.address(&headers).map_or_else(|| "none".to_owned(), |ip| ip.to_string())
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
    fn an_entry_that_is_not_utf8_hides_no_other_entry() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", http::HeaderValue::from_bytes(b"\xe9, 2.2.2.2").expect("a header value"));
        headers.append("spin-client-addr", "10.0.0.9:4711".parse().expect("a header value"));
        let address = behind("x-forwarded-for", 1).address(&headers);
        assert_eq!(address.map(|ip| ip.to_string()).as_deref(), Some("2.2.2.2"));
    }

    #[test]
    fn the_configured_header_names_the_client_and_no_other() {
        let sent = [
            ("x-forwarded-for", "1.1.1.1"),
            ("forwarded", "for=2.2.2.2"),
            ("cf-connecting-ip", "3.3.3.3"),
            ("spin-client-addr", "10.0.0.9:4711"),
        ];
        for (header, hops, address) in [
            ("x-forwarded-for", 1, "1.1.1.1"),
            ("x-forwarded-for", 2, "10.0.0.9"),
            ("forwarded", 1, "2.2.2.2"),
            ("forwarded", 0, "10.0.0.9"),
            ("cf-connecting-ip", 0, "3.3.3.3"),
            ("cf-connecting-ip", 2, "3.3.3.3"),
            ("true-client-ip", 0, "10.0.0.9"),
        ] {
            assert_eq!(seen_by(&behind(header, hops), &sent), address, "{header} {hops}");
        }
    }

    #[test]
    fn without_an_address_in_the_header_the_connection_names_the_client() {
        for value in ["", ",", "unknown", "_hidden", "1.1.1.1 2.2.2.2", "for=1.1.1.1"] {
            let sent = [("x-forwarded-for", value), ("spin-client-addr", "10.0.0.9:4711")];
            assert_eq!(seen(1, &sent), "10.0.0.9", "{value}");
        }
    }

    #[test]
    fn one_subscriber_has_one_ipv6_network() {
        assert_eq!(seen(0, &[("spin-client-addr", "[2001:db8:1:2:3:4:5:6]:80")]), "2001:db8:1:2::");
        assert_eq!(seen(0, &[("spin-client-addr", "[::ffff:192.0.2.1]:80")]), "192.0.2.1");
        assert_eq!(seen(0, &[]), "none");
    }
}
