//! Makes the URL of one server of a cluster from the URL of another.

use contract::Address;

/// Returns three parts of a URL: the text before host and port, host and port, and the text after them.
fn parts(url: &str) -> (&str, &str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    let host = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    (&url[..host], &url[host..end], &url[end..])
}

/// Returns the host of a URL.
pub(super) fn host_of(url: &str) -> &str {
    let (_, place, _) = parts(url);
    place.rsplit_once(':').map_or(place, |(host, _)| host).trim_matches(['[', ']'])
}

/// Returns the same URL for another server.
pub(super) fn url_of(url: &str, Address { host, port }: &Address) -> String {
    let (before, _, after) = parts(url);
    if host.contains(':') { format!("{before}[{host}]:{port}{after}") } else { format!("{before}{host}:{port}{after}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_to_another_server_with_the_same_credentials() {
        let at = |host: &str| Address { host: host.to_owned(), port: 7001 };
        for (url, host, other) in [
            ("redis://seed:6379", "10.0.0.7", "redis://10.0.0.7:7001"),
            ("rediss://user:p%40ss@seed:6379/0", "redis-1", "rediss://user:p%40ss@redis-1:7001/0"),
            ("redis://:p@ss@[::1]:6379?x=1", "::2", "redis://:p@ss@[::2]:7001?x=1"),
        ] {
            assert_eq!(url_of(url, &at(host)), other);
            assert_eq!(host_of(other), host);
        }
    }
}
