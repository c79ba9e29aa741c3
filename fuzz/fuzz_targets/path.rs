//! The path, which chooses the route and names the article, and `X-Request-Id`.
#![no_main]

use contract::ArticleId;
use handler_common::{Call, Route};
use http::{HeaderValue, Request, Uri};
use libfuzzer_sys::fuzz_target;
use routefinder::Router;

/// As a component declares it, and as `spin.toml` does.
const ROUTES: [(&str, &str); 13] = [
    ("/v1/articles/:/like", "/v1/articles/:id/like"),
    ("/v1/articles/:/collect", "/v1/articles/:id/collect"),
    ("/v1/articles/:/views", "/v1/articles/:id/views"),
    ("/v1/articles/:/reads", "/v1/articles/:id/reads"),
    ("/v1/articles/:/interactions", "/v1/articles/:id/interactions"),
    ("/v1/articles/:/likers", "/v1/articles/:id/likers"),
    ("/v1/interactions", "/v1/interactions"),
    ("/v1/interactions/totals", "/v1/interactions/totals"),
    ("/v1/top/likes", "/v1/top/likes"),
    ("/v1/me/likes", "/v1/me/likes"),
    ("/v1/me/collects", "/v1/me/collects"),
    ("/readyz", "/readyz"),
    ("/healthz/like", "/healthz/like"),
];

fuzz_target!(|sent: (&str, &[u8])| {
    let Ok(uri) = Uri::try_from(sent.0) else { return };
    let mut request = Request::new(());
    *request.uri_mut() = uri;
    if let Ok(id) = HeaderValue::from_bytes(sent.1) {
        request.headers_mut().insert("x-request-id", id);
    }
    let call = Call::from(request.into_parts().0);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    assert!((1..=128).contains(&call.request_id.len()) && call.request_id.bytes().all(plain), "{}", call.request_id);

    let path = call.path();
    let ours = ROUTES.iter().filter(|(route, _)| Route { path: route, allow: "GET", action: () }.matches(path));
    let ours: Vec<&str> = ours.map(|(_, route)| *route).collect();
    assert!(ours.len() <= 1, "{path} is that of {ours:?}");
    if let Some(route) = ours.first() {
        assert_eq!(spins(path), Some(*route), "what a component takes, Spin hands to it");
        let given = path.split('/').nth(3).filter(|_| route.contains(':'));
        assert_eq!(call.article().ok(), given.and_then(|id| id.parse().ok()));
    }
    if let Ok(article) = call.article() {
        assert_eq!(path.split('/').nth(3).map(str::parse), Some(Ok::<ArticleId, _>(article)));
    }
});

/// The route that Spin finds, by the library that it finds it with.
fn spins(path: &str) -> Option<&'static str> {
    thread_local! {
        static ROUTER: Router<&'static str> = {
            let mut router = Router::new();
            for (_, route) in ROUTES {
                router.add(route, route).expect("a route");
            }
            router
        };
    }
    ROUTER.with(|router| router.best_match(path).map(|found| *found.handler()))
}
