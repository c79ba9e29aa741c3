//! The client's address: whatever came from outside, our own proxies and Spin have the last word.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use arbitrary::Arbitrary;
use handler_common::Clients;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

const FORWARDED: &str = "x-forwarded-for";
const CONNECTION: &str = "spin-client-addr";

#[derive(Debug, Arbitrary)]
struct Sent<'a> {
    forwarded: Vec<&'a [u8]>,
    connections: Vec<&'a [u8]>,
    /// What our proxies saw, outermost first; the connection is that of the last one.
    seen: Vec<Ipv6Addr>,
    connection: SocketAddr,
    /// Whether a proxy appends to the last line, or adds one.
    same_line: bool,
    /// In the network of the first.
    neighbour: u64,
}

fn clients(hops: usize) -> Clients {
    Clients::new(hops, "the key of addresses, 32 or more".to_owned())
}

fn only(name: &'static str, address: impl ToString) -> HeaderMap {
    HeaderMap::from_iter([(name.parse().expect("a name"), address.to_string().parse().expect("a value"))])
}

fuzz_target!(|sent: Sent| {
    let mut headers = HeaderMap::new();
    for (name, lines) in [(FORWARDED, &sent.forwarded), (CONNECTION, &sent.connections)] {
        for line in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
            headers.append(name, line);
        }
    }
    // Whatever was sent has a hash.
    for hops in 0..4 {
        assert_eq!(clients(hops).hash(&headers).len(), 32);
    }

    headers.append(CONNECTION, sent.connection.to_string().parse().expect("a value"));
    let connection = clients(0).hash(&only(CONNECTION, sent.connection));
    assert_eq!(clients(0).hash(&headers), connection, "without proxies, the connection's");

    for address in &sent.seen {
        let before = headers.get_all(FORWARDED).iter().next_back().filter(|_| sent.same_line).cloned();
        match before {
            Some(before) => {
                let mut lines: Vec<HeaderValue> = headers.get_all(FORWARDED).iter().cloned().collect();
                lines.pop();
                let line = [before.as_bytes(), b", ", address.to_string().as_bytes()].concat();
                lines.push(HeaderValue::from_bytes(&line).expect("a value"));
                headers.remove(FORWARDED);
                for line in lines {
                    headers.append(FORWARDED, line);
                }
            }
            None => {
                headers.append(FORWARDED, address.to_string().parse().expect("a value"));
            }
        }
    }
    let Some(first) = sent.seen.first() else { return };
    let alone = clients(0).hash(&only(CONNECTION, first));
    assert_eq!(clients(sent.seen.len()).hash(&headers), alone, "what the outermost proxy saw");

    let network = first.to_bits() >> 64 << 64;
    let neighbour = Ipv6Addr::from_bits(network | u128::from(sent.neighbour));
    if let (IpAddr::V6(_), IpAddr::V6(_)) = (first.to_canonical(), neighbour.to_canonical()) {
        assert_eq!(clients(0).hash(&only(CONNECTION, neighbour)), alone, "a network is one subscriber");
    }
    let v4 = Ipv4Addr::from_bits((first.to_bits() & u128::from(u32::MAX)).try_into().expect("32 bits"));
    let (plain, mapped) = (only(CONNECTION, v4), only(CONNECTION, v4.to_ipv6_mapped()));
    assert_eq!(clients(0).hash(&plain), clients(0).hash(&mapped), "an IPv4 address has one spelling");
});
