//! Which sites' pages may call, and which headers they may send (<https://fetch.spec.whatwg.org/#http-cors-protocol>).

use crate::{Headers, Problem, config};

/// The headers that a preflight is allowed if it asks for none, for none with a valid name, or for too many.
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, X-Request-Id";

/// The most headers that a preflight may ask for. The page of a browser with every tracing library asks for a dozen.
const MOST_HEADERS: usize = 64;

/// The longest list of these headers, in bytes.
const LONGEST_LIST: usize = 2048;

/// The origins whose pages may call, as browsers write them.
pub(crate) struct Origins(Vec<Listed>);

#[derive(Debug, PartialEq, Eq)]
enum Listed {
    Origin(String),
    /// `https://*.example.com:8443`, as the text before the asterisk and the text after it.
    Below(String, String),
}

impl Origins {
    /// Reads `cors_origins`.
    pub(crate) async fn load() -> Result<Self, Problem> {
        Self::new(&config::setting::<String>("cors_origins").await?).map_err(|refused| {
            eprintln!("variable cors_origins: {refused}");
            Problem::Misconfigured
        })
    }

    /// Parses `https://www.example.com,https://*.example.org`. An entry that no browser sends is an error, because it
    /// would allow nobody, and nobody would know why. The error quotes the entry and the reason, which are no secret.
    fn new(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let read = |entry| listed(entry).map_err(|why| format!("{entry}: {why}"));
        entries.map(read).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn have(&self, origin: &str) -> bool {
        self.0.iter().any(|listed| match listed {
            Listed::Origin(known) => known == origin,
            Listed::Below(before, after) => origin
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(|labels| labels.split('.').all(is_label)),
        })
    }
}

/// Returns the headers that a preflight of a listed origin is allowed: all that it asks for. Libraries on the page add
/// their own to every request, such as `traceparent`, `baggage` or `sentry-trace`, which have no meaning here.
pub(crate) fn allowed_headers(preflight: &dyn Headers) -> String {
    let lists = preflight.texts("access-control-request-headers");
    let names = lists.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|name| is_name(name));
    let (mut list, mut count) = (String::new(), 0);
    for name in names {
        if count > 0 {
            list.push_str(", ");
        }
        list.push_str(name);
        count += 1;
    }
    if list.is_empty() || count > MOST_HEADERS || list.len() > LONGEST_LIST { ALLOWED_HEADERS.to_owned() } else { list }
}

/// Whether a text can be the name of a header: a token (RFC 9110 section 5.6.2).
fn is_name(text: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(sign)
}

/// Whether a text is a label of a host name as browsers write it: in Punycode if it is not ASCII.
fn is_label(text: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    !text.is_empty() && text.bytes().all(sign)
}

fn listed(entry: &str) -> Result<Listed, &'static str> {
    if entry == "*" {
        return Err("pages that may call are named one by one, or by a domain: https://*.example.com");
    }
    if entry == "null" {
        return Err("any sandboxed page and any file calls itself so");
    }
    let (scheme, rest) = entry.split_once("://").ok_or("it has no scheme, such as https://")?;
    if entry.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("browsers send origins in lower case");
    }
    let schemes = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_lowercase()) || !scheme.bytes().all(schemes) {
        return Err("its scheme is none");
    }
    if rest.ends_with('/') {
        return Err("browsers send no slash at the end");
    }
    if rest.contains(['/', '?', '#', '@']) {
        return Err("an origin is scheme, host and port, without a path");
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (rest, None),
    };
    if let Some(port) = port {
        let number = port.parse::<u16>().ok().filter(|number| number.to_string() == port);
        match (scheme, number.ok_or("its port is none")?) {
            ("http", 80) | ("https", 443) => return Err("browsers leave out the usual port of a scheme"),
            _ => {}
        }
    }
    let domain = host.strip_prefix("*.").unwrap_or(host);
    if domain.contains('*') {
        return Err("an asterisk stands for the first labels only: https://*.example.com");
    }
    let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if !in_brackets.map_or_else(|| domain.split('.').all(is_label), |ip| ip.parse::<std::net::Ipv6Addr>().is_ok()) {
        return Err("its host is none, as browsers write it");
    }
    if domain == host {
        return Ok(Listed::Origin(entry.to_owned()));
    }
    // Anybody can own a domain below a top-level domain.
    if !domain.contains('.') && domain != "localhost" {
        return Err("an asterisk stands below a domain of two labels or more");
    }
    let (before, after) = entry.split_once('*').unwrap_or_default();
    Ok(Listed::Below(before.to_owned(), after.to_owned()))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, header};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn have(list: &str, origin: &str) -> bool {
        Origins::new(list).expect("a list of origins").have(origin)
    }

    #[test]
    fn a_listed_origin_is_had_and_no_other() {
        let list = "https://www.example.com, http://localhost:3000,capacitor://localhost,http://[::1]:8080,,";
        for origin in ["https://www.example.com", "http://localhost:3000", "capacitor://localhost", "http://[::1]:8080"]
        {
            assert!(have(list, origin), "{origin}");
        }
        for origin in ["http://www.example.com", "https://www.example.com:8443", "https://example.com", "null", "", "*"]
        {
            assert!(!have(list, origin), "{origin}");
        }
        assert!(!have("", "https://www.example.com"));
    }

    #[test]
    fn an_asterisk_stands_for_labels_below_a_domain() {
        let list = "https://*.example.com,http://*.preview.example.org:8443";
        for origin in [
            "https://www.example.com",
            "https://a.b-2.c_d.example.com",
            "https://xn--bcher-kva.example.com",
            "http://pr-7.preview.example.org:8443",
        ] {
            assert!(have(list, origin), "{origin}");
        }
        for origin in [
            "https://example.com",
            "https://.example.com",
            "https://www..example.com",
            "https://evil-example.com",
            "https://www.example.com.evil.example",
            "https://www.example.com:8443",
            "http://www.example.com",
            "https://evil.example:80.example.com",
            "https://evil.example/.example.com",
            "https://evil.example?.example.com",
            "https://evil@www.example.com",
            "https://WWW.example.com",
            "http://pr-7.preview.example.org",
            "http://pr-7.preview.example.org:84430",
        ] {
            assert!(!have(list, origin), "{origin}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused_by_name_and_reason() {
        for (entry, why) in [
            ("www.example.com", "scheme"),
            ("https://", "host"),
            ("://a", "scheme"),
            ("9p://a", "scheme"),
            ("https://a/", "slash"),
            ("https://a/b", "path"),
            ("https://a?b", "path"),
            ("https://a@b", "path"),
            ("https://A.example", "lower case"),
            ("HTTPS://a.example", "lower case"),
            ("https://b\u{fc}cher.example", "host"),
            ("https://a b", "host"),
            ("https://a..b", "host"),
            ("https://a:", "port"),
            ("https://a:0x50", "port"),
            ("https://a:080", "port"),
            ("https://a:443", "usual port"),
            ("http://a:80", "usual port"),
            ("https://[::1", "host"),
            ("https://*.[::1]", "host"),
            ("*", "one by one"),
            ("null", "sandboxed"),
            ("https://*", "asterisk"),
            ("https://*.com", "two labels"),
            ("https://www.*.example.com", "first labels"),
            ("https://*.*.example.com", "first labels"),
            ("https://w*.example.com", "first labels"),
            ("*://www.example.com", "scheme"),
            ("https://www.example.com:*", "port"),
        ] {
            let refused = Origins::new(&format!("https://good.example,{entry}")).err().expect(entry);
            assert!(refused.starts_with(&format!("{entry}: ")) && refused.contains(why), "{refused}");
        }
        assert!(Origins::new("http://*.localhost:3000").is_ok());
    }

    fn preflight(lists: &[&str]) -> String {
        let list = |list: &&str| (header::ACCESS_CONTROL_REQUEST_HEADERS, list.parse().expect("a header value"));
        allowed_headers(&lists.iter().map(list).collect::<HeaderMap>())
    }

    #[test]
    fn a_preflight_is_allowed_the_headers_that_it_asks_for() {
        assert_eq!(preflight(&["authorization,traceparent,x-request-id"]), "authorization, traceparent, x-request-id");
        assert_eq!(preflight(&["baggage, , sentry-trace", "X-B3"]), "baggage, sentry-trace, X-B3");
        assert_eq!(preflight(&["a b, c\"d, e"]), "e", "what is no name of a header is left out");
        for none in [&[][..], &[""], &[","], &["a b"]] {
            assert_eq!(preflight(none), ALLOWED_HEADERS);
        }
        let names = |count: usize| (0..count).map(|number| format!("x-{number}")).collect::<Vec<_>>().join(",");
        assert_eq!(preflight(&[&names(MOST_HEADERS)]).split(", ").count(), MOST_HEADERS);
        assert_eq!(preflight(&[&names(MOST_HEADERS + 1)]), ALLOWED_HEADERS);
        assert_eq!(preflight(&[&"x".repeat(LONGEST_LIST + 1)]), ALLOWED_HEADERS);
    }

    proptest! {
        #[test]
        fn whatever_a_preflight_asks_for_a_list_of_names_is_answered(
            lists in vec(vec(any::<u8>(), 0..80), 0..4),
        ) {
            let values = lists.iter().filter_map(|list| HeaderValue::from_bytes(list).ok());
            let headers: HeaderMap =
                values.map(|value| (header::ACCESS_CONTROL_REQUEST_HEADERS, value)).collect();
            let allowed = allowed_headers(&headers);
            prop_assert!(allowed.split(", ").all(|name| name.parse::<HeaderName>().is_ok()), "{}", allowed);
        }

        #[test]
        fn whatever_calls_itself_an_origin_is_below_the_domain_or_refused(host in "[a-z.:/@?#*_-]{0,12}") {
            let origin = format!("https://{host}.example.com");
            let labels = host.split('.').all(is_label);
            prop_assert_eq!(have("https://*.example.com", &origin), labels, "{}", origin);
        }
    }
}
