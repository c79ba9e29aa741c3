//! The path, which chooses the route and names the article and the kind, and `X-Request-Id`.
#![no_main]

use arbitrary::Arbitrary;
use contract::{ArticleId, Kind};
use handler_common::{Call, Route};
use http::{HeaderValue, Request, Uri};
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;
use routefinder::Router;

/// As components declare them, and as `spin.toml` does.
const ROUTES: [&str; 12] = [
    "/v1/articles/:id/:kind",
    "/v1/articles/:id/views",
    "/v1/articles/:id/reads",
    "/v1/articles/:id/interactions",
    "/v1/articles/:id/history",
    "/v1/articles/:id/:list",
    "/v1/interactions",
    "/v1/interactions/totals",
    "/v1/top/:counter",
    "/v1/me/:count",
    "/readyz",
    "/healthz/toggle",
];

#[derive(Debug, Arbitrary)]
enum Path<'a> {
    Any(&'a str),
    /// One of the words of a kind, between two texts.
    Word(&'a str, u8, &'a str),
}

impl Path<'_> {
    fn text(&self) -> String {
        match self {
            Self::Any(text) => (*text).to_owned(),
            Self::Word(before, number, after) => {
                let words = Kind::ALL.iter().flat_map(|kind| [Some(kind.name()), Some(kind.count()), kind.listed()]);
                let words: Vec<&str> = words.flatten().collect();
                format!("{before}{}{after}", words[usize::from(*number) % words.len()])
            }
        }
    }
}

fuzz_target!(|sent: (Path, &[u8])| {
    let Ok(uri) = Uri::try_from(sent.0.text()) else { return };
    let mut request = Request::new(());
    *request.uri_mut() = uri;
    if let Ok(id) = HeaderValue::from_bytes(sent.1) {
        request.headers_mut().insert("x-request-id", id);
    }
    let call = Call::from(request.into_parts().0);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    assert!((1..=128).contains(&call.request_id.len()) && call.request_id.bytes().all(plain), "{}", call.request_id);

    let path = call.path();
    let ours = ROUTES.into_iter().filter(|route| Route { path: route, allow: "GET", action: () }.matches(path));
    let ours: Vec<&str> = ours.collect();
    assert!(ours.len() <= 1, "{path} is that of {ours:?}");
    if let Some(route) = ours.first() {
        assert_eq!(spins(path), Some(*route), "what a component takes, Spin hands to it");
        let last = path.strip_suffix('/').unwrap_or(path).rsplit('/').next().unwrap_or_default();
        let kind = match route.rsplit('/').next() {
            Some(":kind") => last.parse().ok(),
            Some(":count" | ":counter") => Kind::from_count(last),
            Some(":list") => Kind::from_list(last),
            _ => None,
        };
        assert_eq!(call.kind().ok(), kind, "{path}");
    }
    assert_eq!(call.article().ok(), path.split('/').nth(3).and_then(decoded));
});

/// The id that a segment of a path is, its escapes read once.
fn decoded(segment: &str) -> Option<ArticleId> {
    percent_decode_str(segment).decode_utf8().ok()?.parse().ok()
}

/// The route that Spin finds, by the library that it finds it with. A public list is declared by its own name, so that no
/// other word is taken for one.
fn spins(path: &str) -> Option<&'static str> {
    thread_local! {
        static ROUTER: Router<&'static str> = {
            let mut router = Router::new();
            for route in ROUTES {
                let lists = Kind::ALL.iter().filter_map(|kind| Some(route.replace(":list", kind.listed()?)));
                let named: Vec<String> = if route.contains(":list") { lists.collect() } else { vec![route.to_owned()] };
                for name in named {
                    router.add(name.as_str(), route).expect("a route");
                }
            }
            router
        };
    }
    ROUTER.with(|router| router.best_match(path).map(|found| *found.handler()))
}
