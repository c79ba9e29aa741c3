//! Which component answers a path, and the headers in which Spin describes the request to it.
//!
//! Rules: <https://spinframework.dev/v3/http-trigger>. Precedence comes from the router library that Spin uses: segment
//! by segment, literal before `:name` before a trailing `/...`.

use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use routefinder::Captures;

/// The routes of an application.
pub(crate) struct Routes<T>(routefinder::Router<Route<T>>);

/// A route as it was declared, and the target that answers it.
struct Route<T> {
    declared: String,
    /// With a slash at the beginning and without one at the end.
    path: String,
    target: T,
}

/// A route that matched a path.
pub(crate) struct Match<'routes, 'path, T> {
    route: &'routes Route<T>,
    path: &'path str,
    captures: Captures<'routes, 'path>,
}

impl<T> Routes<T> {
    /// Builds the table from routes in the order of their declaration. If two are equal, the last one holds, as in Spin.
    pub(crate) fn new(declared: impl IntoIterator<Item = (String, T)>) -> Result<Self> {
        let mut distinct: Vec<Route<T>> = Vec::new();
        for (declared, target) in declared {
            let path = format!("/{}", declared.strip_prefix('/').unwrap_or(&declared));
            let path = path.strip_suffix('/').unwrap_or(&path).to_owned();
            let route = Route { declared, path, target };
            match distinct.iter_mut().find(|earlier| earlier.declared == route.declared) {
                Some(earlier) => {
                    tracing::error!("route {} is declared twice, the last one holds", route.declared);
                    *earlier = route;
                }
                None => distinct.push(route),
            }
        }
        let mut router = routefinder::Router::new();
        for route in distinct {
            let pattern = match route.path.strip_suffix("/...") {
                Some(prefix) => format!("{prefix}/*"),
                None => route.path.clone(),
            };
            let declared = route.declared.clone();
            router.add(pattern, route).map_err(|error| anyhow!("route {declared}: {error}"))?;
        }
        Ok(Self(router))
    }

    /// The best match for a path; a trailing slash does not matter.
    pub(crate) fn find<'path>(&self, path: &'path str) -> Option<Match<'_, 'path, T>> {
        let found = self.0.best_match(path)?;
        Some(Match { route: found.handler(), path, captures: found.captures() })
    }
}

impl<T> Match<'_, '_, T> {
    /// Returns the target, which answers.
    pub(crate) fn target(&self) -> &T {
        &self.route.target
    }

    /// Returns the part of the path for which a trailing `/...` stands, with its slashes.
    fn rest(&self) -> String {
        let Some(rest) = self.captures.wildcard() else { return String::new() };
        let begin = if rest.is_empty() { "" } else { "/" };
        let end = if self.path.ends_with('/') { "/" } else { "" };
        format!("{begin}{rest}{end}")
    }

    /// Appends Spin's headers after those of the client, even if the client sent the same names. Fails on a value that
    /// is not UTF-8, which Spin refuses with a 500.
    pub(crate) fn append_headers(&self, uri: &Uri, headers: &mut HeaderMap, client: SocketAddr) -> Result<()> {
        for (name, value) in headers.iter() {
            std::str::from_utf8(value.as_bytes()).with_context(|| format!("header {name} is not UTF-8"))?;
        }
        let host = headers.get(header::HOST).map_or("localhost", |host| host.to_str().unwrap_or_default());
        let scheme = uri.scheme_str().unwrap_or("http");
        let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
        let url = format!("{scheme}://{host}{path_and_query}");
        let route = self.route.declared.as_str();
        let mut append = |name: &str, value: &str| {
            // A name or a value that HTTP does not allow is left out, as Spin does.
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value.as_bytes())) {
                headers.append(name, value);
            }
        };
        append("spin-path-info", &self.rest());
        append("spin-full-url", &url);
        append("spin-matched-route", &self.route.path);
        append("spin-base-path", "/");
        append("spin-raw-component-route", route);
        append("spin-component-route", route.strip_suffix("/...").unwrap_or(route));
        append("spin-client-addr", &client.to_string());
        for (name, value) in &self.captures {
            append(&format!("spin-path-match-{}", name.to_ascii_lowercase().replace('_', "-")), value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(declared: &[&'static str]) -> Routes<usize> {
        Routes::new(declared.iter().enumerate().map(|(index, route)| ((*route).to_owned(), index))).unwrap()
    }

    #[test]
    fn the_most_specific_route_answers() {
        let declared = [
            "/...",
            "/v1/articles/:id/...",
            "/v1/articles/:id/views",
            "/v1/articles/:id/:kind",
            "/v1/articles/top/views",
            "/v1/me/:count",
            "/healthz/toggle",
        ];
        let routes = routes(&declared);
        for (path, answered) in [
            ("/", "/..."),
            ("/v1", "/..."),
            ("/v1/articles/42", "/v1/articles/:id/..."),
            ("/v1/articles/42/views", "/v1/articles/:id/views"),
            ("/v1/articles/42/views/", "/v1/articles/:id/views"),
            ("/v1/articles/42/like", "/v1/articles/:id/:kind"),
            ("/v1/articles/42/like/more", "/v1/articles/:id/..."),
            ("/v1/articles/top/views", "/v1/articles/top/views"),
            // An empty segment is a value too; what it means is up to the component.
            ("/v1/articles//like", "/v1/articles/:id/:kind"),
            ("/v1/me/likes", "/v1/me/:count"),
            ("/v1/me/likes/", "/v1/me/:count"),
            ("/v1/me", "/..."),
            ("/healthz/toggle", "/healthz/toggle"),
            ("/healthz", "/..."),
        ] {
            let found = routes.find(path).map(|found| declared[*found.target()]);
            assert_eq!(found, Some(answered), "{path}");
        }
    }

    #[test]
    fn the_order_of_declaration_does_not_matter() {
        for declared in [["/a/b", "/a/:x", "/a/..."], ["/a/...", "/a/:x", "/a/b"]] {
            let routes = routes(&declared);
            for (path, answered) in [("/a/b", "/a/b"), ("/a/c", "/a/:x"), ("/a/c/d", "/a/..."), ("/a", "/a/...")] {
                assert_eq!(declared[*routes.find(path).unwrap().target()], answered, "{path}");
            }
        }
    }

    #[test]
    fn nothing_answers_a_path_without_a_route() {
        let routes = routes(&["/a", "/b/:x", "/c/..."]);
        for path in ["/", "/a/b", "/b", "/b/", "/d", "/A"] {
            assert!(routes.find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn the_last_of_equal_routes_holds() {
        assert_eq!(*routes(&["/a", "/b", "/a"]).find("/a").unwrap().target(), 2);
    }

    #[test]
    fn a_slash_at_the_end_of_a_route_does_not_matter() {
        let routes = routes(&["/a/", "/"]);
        for (path, target) in [("/a", 0), ("/a/", 0), ("/", 1)] {
            assert_eq!(*routes.find(path).unwrap().target(), target, "{path}");
        }
    }

    #[test]
    fn spins_headers_come_after_the_clients() {
        let routes = routes(&["/v1/:kind/:article_id/..."]);
        let uri = "/v1/articles/42/like/?q=1".parse::<Uri>().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("host", "example.com".parse().unwrap());
        headers.insert("spin-client-addr", "1.2.3.4:5".parse().unwrap());
        headers.insert("spin-path-match-article-id", "7".parse().unwrap());
        let found = routes.find(uri.path()).unwrap();
        found.append_headers(&uri, &mut headers, "127.0.0.1:9".parse().unwrap()).unwrap();
        for (name, values) in [
            ("spin-client-addr", ["1.2.3.4:5", "127.0.0.1:9"].as_slice()),
            ("spin-path-match-article-id", &["7", "42"]),
            ("spin-path-match-kind", &["articles"]),
            ("spin-path-info", &["/like/"]),
            ("spin-full-url", &["http://example.com/v1/articles/42/like/?q=1"]),
            ("spin-matched-route", &["/v1/:kind/:article_id/..."]),
            ("spin-raw-component-route", &["/v1/:kind/:article_id/..."]),
            ("spin-component-route", &["/v1/:kind/:article_id"]),
            ("spin-base-path", &["/"]),
        ] {
            assert_eq!(headers.get_all(name).iter().collect::<Vec<_>>(), values, "{name}");
        }
    }

    #[test]
    fn the_rest_of_a_path_keeps_its_slashes() {
        let routes = routes(&["/a/..."]);
        for (path, rest) in [("/a", ""), ("/a/", "/"), ("/a/b", "/b"), ("/a/b/c/", "/b/c/")] {
            assert_eq!(routes.find(path).unwrap().rest(), rest, "{path}");
        }
    }

    #[test]
    fn a_header_that_is_not_utf8_is_refused() {
        let routes = routes(&["/..."]);
        let mut headers = HeaderMap::new();
        headers.insert("x", HeaderValue::from_bytes(b"\xff").unwrap());
        let client = "127.0.0.1:9".parse().unwrap();
        assert!(routes.find("/").unwrap().append_headers(&Uri::from_static("/"), &mut headers, client).is_err());
    }
}
