//! The client's address: whatever came from outside, our own proxies and Spin have the last word.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use arbitrary::Arbitrary;
use handler_common::Clients;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

const CONNECTION: &str = "spin-client-addr";

#[derive(Debug, Arbitrary)]
struct Sent<'a> {
    forwarded: Vec<&'a [u8]>,
    connections: Vec<&'a [u8]>,
    /// What our proxies saw, outermost first; the connection is that of the last one.
    seen: Vec<Ipv6Addr>,
    connection: SocketAddr,
    /// Whether they write it as RFC 7239 says.
    standard: bool,
    /// Whether a proxy appends to the last line, or adds one.
    same_line: bool,
    /// In the network of the first.
    neighbour: u64,
}

fn clients_by(header: &'static str, hops: usize) -> Clients {
    Clients::new(&HeaderName::from_static(header), hops, "the key of addresses, 32 or more")
}

fn clients(hops: usize) -> Clients {
    clients_by("x-forwarded-for", hops)
}

fn only(name: &'static str, address: &impl ToString) -> HeaderMap {
    HeaderMap::from_iter([(name.parse().expect("a name"), address.to_string().parse().expect("a value"))])
}

fuzz_target!(|sent: Sent| {
    let header = if sent.standard { "forwarded" } else { "x-forwarded-for" };
    let mut headers = HeaderMap::new();
    for (name, lines) in [(header, &sent.forwarded), (CONNECTION, &sent.connections)] {
        for line in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
            headers.append(name, line);
        }
    }
    // Whatever was sent has a hash.
    for hops in 0..4 {
        assert_eq!(clients_by(header, hops).hash(&headers).len(), 32);
    }
    assert_eq!(clients_by("x-real-ip", 0).hash(&headers).len(), 32);

    headers.append(CONNECTION, sent.connection.to_string().parse().expect("a value"));
    let connection = clients(0).hash(&only(CONNECTION, &sent.connection));
    assert_eq!(clients(0).hash(&headers), connection, "without proxies, the connection's");

    for address in &sent.seen {
        let entry = if sent.standard { format!("proto=https;for=\"[{address}]:80\"") } else { address.to_string() };
        let before = headers.get_all(header).iter().next_back().filter(|_| sent.same_line).cloned();
        match before {
            Some(before) => {
                let mut lines: Vec<HeaderValue> = headers.get_all(header).iter().cloned().collect();
                lines.pop();
                let line = [before.as_bytes(), b", ", entry.as_bytes()].concat();
                lines.push(HeaderValue::from_bytes(&line).expect("a value"));
                headers.remove(header);
                for line in lines {
                    headers.append(header, line);
                }
            }
            None => {
                headers.append(header, entry.parse().expect("a value"));
            }
        }
    }
    let Some(first) = sent.seen.first() else { return };
    let alone = clients(0).hash(&only(CONNECTION, &first));
    assert_eq!(clients_by(header, sent.seen.len()).hash(&headers), alone, "what the outermost proxy saw");

    let network = first.to_bits() >> 64 << 64;
    let neighbour = Ipv6Addr::from_bits(network | u128::from(sent.neighbour));
    if let (IpAddr::V6(_), IpAddr::V6(_)) = (first.to_canonical(), neighbour.to_canonical()) {
        assert_eq!(clients(0).hash(&only(CONNECTION, &neighbour)), alone, "a network is one subscriber");
    }
    let v4 = Ipv4Addr::from_bits((first.to_bits() & u128::from(u32::MAX)).try_into().expect("32 bits"));
    let (plain, mapped) = (only(CONNECTION, &v4), only(CONNECTION, &v4.to_ipv6_mapped()));
    assert_eq!(clients(0).hash(&plain), clients(0).hash(&mapped), "an IPv4 address has one spelling");
});
