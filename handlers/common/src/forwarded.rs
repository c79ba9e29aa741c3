//! The addresses that proxies write into headers.
//!
//! Written by hand, because of two faults of the crates for RFC 7239. They refuse a whole header if one part is
//! invalid, such as an IPv6 address without brackets. And they read from the left, so that a quote that a client left
//! open swallows what our proxies appended.

use std::{
    iter::from_fn,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use http::HeaderName;

use crate::{Headers, headers::text};

/// Why a header does not name the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacks {
    /// The header is missing.
    Header,
    /// The header lists fewer addresses than there are proxies.
    Hops,
    /// The place of the address has no address, but `unknown` or a name that a proxy made up.
    Address,
}

/// Returns the address at a place of a list, counted from the right. Several lines are one list (RFC 9110 section 5.3),
/// and empty places do not count (section 5.6.1).
///
/// Reads bytes from the right, because the part from outside may be no text, may leave a quote open, and must not hide
/// what our proxies appended.
pub(crate) fn nth_from_right(headers: &dyn Headers, name: &HeaderName, place: usize) -> Result<IpAddr, Lacks> {
    let lines = headers.all(name.as_str());
    if lines.is_empty() {
        return Err(Lacks::Header);
    }
    let places = lines.iter().rev().flat_map(|line| from_the_right(line, b','));
    let mut places = places.map(<[u8]>::trim_ascii).filter(|place| !place.is_empty());
    let found = places.nth(place.checked_sub(1).ok_or(Lacks::Hops)?).ok_or(Lacks::Hops)?;
    let found = if name == http::header::FORWARDED { node(found) } else { Some(found) };
    found.and_then(|found| address(str::from_utf8(found).ok()?)).ok_or(Lacks::Address)
}

/// Splits at a separator that is not between quotes, the last part first. A value between quotes may contain whatever a
/// client chose, such as a `host` that a proxy copied; a quote inside it has a backslash before it.
fn from_the_right(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let at = (0..text.len()).rev().find(|at| {
            let is_escaped = || text[..*at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
            if text[*at] == b'"' && !(quoted && is_escaped()) {
                quoted = !quoted;
            }
            text[*at] == separator && !quoted
        });
        rest = at.map(|at| &text[..at]);
        Some(at.map_or(text, |at| &text[at + 1..]))
    })
}

/// Returns the only address in a header. Two addresses may be a client's and a proxy's, and nobody knows which is
/// which, so that is an error.
pub(crate) fn only(headers: &dyn Headers, name: &HeaderName) -> Result<IpAddr, Lacks> {
    let mut lines = headers.all(name.as_str()).into_iter();
    match (lines.next(), lines.next()) {
        (None, _) => Err(Lacks::Header),
        (Some(line), None) => text(line).as_deref().and_then(address).ok_or(Lacks::Address),
        (Some(_), Some(_)) => Err(Lacks::Address),
    }
}

/// Returns the `for` of an element of `Forwarded` (RFC 7239 section 4). None if there is not exactly one.
fn node(element: &[u8]) -> Option<&[u8]> {
    let mut nodes = from_the_right(element, b';').filter_map(|pair| {
        let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
        name.trim_ascii().eq_ignore_ascii_case(b"for").then_some(&value[1..])
    });
    nodes.next().filter(|_| nodes.next().is_none())
}

/// Reads an address with or without quotes, brackets and a port: `192.0.2.1:80`, `"[2001:db8::1]:_x"`. An IPv4 address
/// that is mapped into IPv6 is returned as IPv4.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim();
    let (ip, port) = if let Some((ip, port)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        (IpAddr::V6(ip.parse::<Ipv6Addr>().ok()?), port)
    } else if let Ok(ip) = text.parse() {
        (ip, "")
    } else {
        let colon = text.find(':')?;
        (IpAddr::V4(text[..colon].parse::<Ipv4Addr>().ok()?), &text[colon..])
    };
    is_port(port).then(|| ip.to_canonical())
}

/// Whether a text is empty, or a colon and a port: a number, or a name that a proxy made up (RFC 7239 section 6).
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    let made_up = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match port.strip_prefix('_') {
        Some(name) => !name.is_empty() && name.bytes().all(made_up),
        None => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
        let name = HeaderName::from_static(name);
        lines.iter().map(|line| (name.clone(), line.parse().expect("a header value"))).collect()
    }

    fn listed(name: &'static str, lines: &[&str], place: usize) -> Result<String, Lacks> {
        let found = nth_from_right(&headers(name, lines), &HeaderName::from_static(name), place);
        found.map(|address| address.to_string())
    }

    #[test]
    fn a_host_that_a_client_chose_names_no_address() {
        for host in [
            "x,for=6.6.6.6;a=b",
            "x,for=6.6.6.6",
            "x,for=6.6.6.6,y",
            "x;for=6.6.6.6;y",
            "x\",for=6.6.6.6;a=\"b",
            "\",for=6.6.6.6,\"",
            "x\\",
            "x\\\",for=6.6.6.6",
        ] {
            let host = host.replace('\\', "\\\\").replace('"', "\\\"");
            let line = format!("for=198.51.100.1, for=192.0.2.1;host=\"{host}\"");
            assert_eq!(listed("forwarded", &[&line], 1).as_deref(), Ok("192.0.2.1"), "{line}");
            assert_eq!(listed("forwarded", &[&line], 2).as_deref(), Ok("198.51.100.1"), "{line}");
            let line = format!("{line};proto=https, for=192.0.2.2");
            assert_eq!(listed("forwarded", &[&line], 2).as_deref(), Ok("192.0.2.1"), "{line}");
        }
        assert_eq!(listed("forwarded", &["host=\"for=6.6.6.6\""], 1), Err(Lacks::Address));
        assert_eq!(listed("forwarded", &["for=192.0.2.1;host=\""], 1), Err(Lacks::Address), "a quote is left open");
    }

    #[test]
    fn an_address_is_read_in_every_form_that_proxies_write() {
        for (text, read) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("192.0.2.1:_hidden", "192.0.2.1"),
            ("\"192.0.2.1\"", "192.0.2.1"),
            ("\" 192.0.2.1:80 \"", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:DB8::1]:4711", "2001:db8::1"),
            ("\"[2001:db8::1]:_gazonk\"", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
            ("\t192.0.2.1 ", "192.0.2.1"),
        ] {
            assert_eq!(address(text).map(|address| address.to_string()).as_deref(), Some(read), "{text}");
        }
        for text in [
            "",
            "\"",
            "unknown",
            "_hidden",
            "_hidden:80",
            "localhost",
            "192.0.2",
            "192.0.2.1:",
            "192.0.2.1:x",
            "192.0.2.1:65536",
            "192.0.2.1:+80",
            "192.0.2.1:_",
            "192.0.2.1 192.0.2.2",
            "[192.0.2.1]",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]80",
            "\"192.0.2.1",
            "unix:",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn places_are_counted_from_the_right_over_all_lines() {
        let list = ["198.51.100.1, unknown", "", "\"[2001:db8::1]\",,192.0.2.1:80, "];
        let place = |place| listed("x-forwarded-for", &list, place);
        assert_eq!(place(1).as_deref(), Ok("192.0.2.1"), "a comma at the end is no place");
        assert_eq!(place(2).as_deref(), Ok("2001:db8::1"));
        assert_eq!(place(3), Err(Lacks::Address));
        assert_eq!(place(4).as_deref(), Ok("198.51.100.1"));
        assert_eq!(place(5), Err(Lacks::Hops));
        assert_eq!(place(0), Err(Lacks::Hops));
        assert_eq!(listed("x-forwarded-for", &[], 1), Err(Lacks::Header));
        assert_eq!(listed("x-forwarded-for", &[""], 1), Err(Lacks::Hops));
    }

    #[test]
    fn forwarded_is_read_as_its_standard_says() {
        let list = ["for=_gazonk", "For=\"[2001:db8:cafe::17]:4711\" , for=192.0.2.60;proto=http; by=203.0.113.43"];
        assert_eq!(listed("forwarded", &list, 1).as_deref(), Ok("192.0.2.60"));
        assert_eq!(listed("forwarded", &list, 2).as_deref(), Ok("2001:db8:cafe::17"));
        assert_eq!(listed("forwarded", &list, 3), Err(Lacks::Address));
        for (element, read) in [
            ("proto=https;by=192.0.2.1;FOR=192.0.2.2", Ok("192.0.2.2")),
            (" proto=https ; for = 192.0.2.2", Ok("192.0.2.2")),
            ("for=2001:db8::1", Ok("2001:db8::1")),
            ("for=unknown", Err(Lacks::Address)),
            ("by=192.0.2.1", Err(Lacks::Address)),
            ("192.0.2.1", Err(Lacks::Address)),
            ("for=192.0.2.1;for=192.0.2.2", Err(Lacks::Address)),
        ] {
            assert_eq!(listed("forwarded", &[element], 1).as_deref(), read.as_ref().map(|text| *text), "{element}");
        }
    }

    #[test]
    fn a_header_with_one_address_has_one() {
        let name = HeaderName::from_static("cf-connecting-ip");
        let read = |lines| only(&headers("cf-connecting-ip", lines), &name).map(|address| address.to_string());
        assert_eq!(read(&["2001:db8::1"]).as_deref(), Ok("2001:db8::1"));
        assert_eq!(read(&[]), Err(Lacks::Header));
        assert_eq!(read(&["192.0.2.1, 192.0.2.2"]), Err(Lacks::Address));
        assert_eq!(read(&["192.0.2.1", "192.0.2.2"]), Err(Lacks::Address));
    }

    proptest! {
        #[test]
        fn what_a_client_sent_hides_nothing_that_our_proxies_append(
            sent in vec(vec(any::<u8>(), 0..40), 0..3),
            seen in vec(any::<IpAddr>(), 1..4),
            quoted: bool,
            host in "[a-z,;=\"\\\\ ]{0,30}",
        ) {
            let host = host.replace('\\', "\\\\").replace('"', "\\\"");
            let copied = format!(";host=\"{host}\"");
            for (name, before, after) in [("x-forwarded-for", "", ""), ("forwarded", "proto=http;for=", copied.as_str())] {
                let mut line = sent.join(&b',');
                for address in &seen {
                    let text = if quoted { format!("\"{address}\"") } else { address.to_string() };
                    line.extend(format!(", {before}{text}{after}").bytes());
                }
                let Ok(line) = http::HeaderValue::from_bytes(&line) else { continue };
                let name = HeaderName::from_static(name);
                let headers = HeaderMap::from_iter([(name.clone(), line)]);
                for (place, address) in seen.iter().rev().enumerate() {
                    prop_assert_eq!(nth_from_right(&headers, &name, place + 1), Ok(address.to_canonical()));
                }
            }
        }

        #[test]
        fn any_text_is_an_address_or_none(text in "[0-9a-f:.\\[\\]\"]{0,30}|\\PC{0,30}") {
            if let Some(found) = address(&text) {
                prop_assert_eq!(address(&found.to_string()), Some(found));
            }
        }
    }
}
