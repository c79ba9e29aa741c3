use std::{cell::OnceCell, rc::Rc, str::FromStr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use http_body_util::Full;
use spin_sdk::{
    http::{IntoResponse, Request},
    wasip3::{http::types, wit_bindgen},
};

use crate::{Call, Identity, Problem, Reply, config};

/// A path that a component answers.
pub struct Route<A> {
    /// Segments; `:` stands for one of any text.
    pub path: &'static str,
    /// The methods, as the `Allow` header lists them.
    pub allow: &'static str,
    /// What is done there.
    pub action: A,
}

/// What every component reads of its variables.
struct Settings {
    /// None in a component that answers everybody alike.
    identity: Option<Rc<Identity>>,
    origins: Origins,
}

/// Whose pages may call, as a browser spells them.
struct Origins(Vec<String>);

impl FromStr for Origins {
    type Err = ();

    /// From `https://www.example.com,https://m.example.com`. What no browser sends, as one with a slash at its end, is
    /// refused: it would allow nobody, and nobody would know why.
    fn from_str(text: &str) -> Result<Self, ()> {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let spelled = |origin: &str| {
            let (scheme, host) = origin.split_once("://")?;
            (!scheme.is_empty() && !host.is_empty() && !host.contains('/')).then(|| origin.to_owned())
        };
        origins.map(spelled).collect::<Option<_>>().map(Self).ok_or(())
    }
}

impl Origins {
    fn have(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|known| known.as_bytes() == origin.as_bytes())
    }
}

thread_local! {
    static SETTINGS: OnceCell<Rc<Settings>> = const { OnceCell::new() };
}

async fn for_anyone() -> Result<Settings, Problem> {
    Ok(Settings { identity: None, origins: config::setting("cors_origins").await? })
}

async fn for_callers() -> Result<Settings, Problem> {
    Ok(Settings { identity: Some(Rc::new(Identity::load().await?)), ..for_anyone().await? })
}

/// Answers a request: finds its route, has `act` carry it out, and adds the headers that every answer has.
pub fn serve<A: Copy>(
    request: Request,
    routes: &[Route<A>],
    act: impl AsyncFnOnce(Call, A) -> Result<Reply, Problem>,
) -> impl Future<Output = Result<types::Response, types::ErrorCode>> {
    serve_with(for_callers(), request, routes, act)
}

/// The same in a component that answers everybody alike: it looks at no token, and has none of the variables for that.
pub fn serve_anyone<A: Copy>(
    request: Request,
    routes: &[Route<A>],
    act: impl AsyncFnOnce(Call, A) -> Result<Reply, Problem>,
) -> impl Future<Output = Result<types::Response, types::ErrorCode>> {
    serve_with(for_anyone(), request, routes, act)
}

async fn serve_with<A: Copy>(
    load: impl Future<Output = Result<Settings, Problem>>,
    request: Request,
    routes: &[Route<A>],
    act: impl AsyncFnOnce(Call, A) -> Result<Reply, Problem>,
) -> Result<types::Response, types::ErrorCode> {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut call = Call::new(request);
    let request_id = call.request_id.clone();
    let settings = config::once(&SETTINGS, load).await;
    let outcome = match &settings {
        Ok(settings) => {
            call.identity.clone_from(&settings.identity);
            answer(call, routes, act).await
        }
        Err(problem) => Err(problem.clone()),
    };
    let reply = outcome.unwrap_or_else(Reply::from);
    let allowed = |origin: &HeaderValue| settings.as_ref().is_ok_and(|settings| settings.origins.have(origin));
    send(reply, &request_id, origin.filter(allowed)).await
}

async fn answer<A: Copy>(
    call: Call,
    routes: &[Route<A>],
    act: impl AsyncFnOnce(Call, A) -> Result<Reply, Problem>,
) -> Result<Reply, Problem> {
    let route = routes.iter().find(|route| route.matches(call.path())).ok_or(Problem::NotFound)?;
    if call.method == Method::OPTIONS {
        return Ok(Reply::no_content().with("allow", route.allow));
    }
    if !route.allow.split(", ").any(|method| method == call.method.as_str()) {
        return Err(Problem::MethodNotAllowed(route.allow));
    }
    call.check_length()?;
    act(call, route.action).await
}

impl<A> Route<A> {
    /// Whether a path is this route's. Spin ignores a trailing slash, so we do.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let path = path.strip_suffix('/').unwrap_or(path);
        let (mut wanted, mut given) = (self.path.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(":"), Some(segment)) if !segment.is_empty() => {}
                (Some(want), Some(segment)) if want == segment => {}
                _ => return false,
            }
        }
    }
}

async fn send(
    reply: Reply,
    request_id: &str,
    allowed_origin: Option<HeaderValue>,
) -> Result<types::Response, types::ErrorCode> {
    let length = reply.body.len();
    let mut response = http::Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = reply.status;
    let headers: &mut HeaderMap = response.headers_mut();
    headers.extend(reply.headers);
    let fixed = |value| HeaderValue::from_static(value);
    headers.append(header::VARY, fixed("Origin"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, fixed("no-store"));
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    if let Some(origin) = allowed_origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, fixed("true"));
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            fixed("Retry-After, RateLimit, RateLimit-Policy, X-Request-Id"),
        );
        if reply.status == http::StatusCode::NO_CONTENT {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, fixed("PUT, DELETE, POST"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, fixed("Authorization, Content-Type, X-Request-Id"));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, fixed("600"));
        }
    }
    // Always told, but on a 204, which has none (RFC 9110 section 8.6): a chunked answer's last bytes wait for the
    // client's delayed acknowledgement.
    if reply.status != http::StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    let response = response.into_response()?;
    // The body is written by a task of its own; let it begin before the headers leave, so that both leave together.
    wit_bindgen::yield_async().await;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Origins, Route};

    #[test]
    fn origins_are_spelled_as_a_browser_does() {
        let read = |text: &str| text.parse().map(|Origins(all)| all);
        let all = ["https://www.example.com", "http://localhost:3000"].map(str::to_owned).to_vec();
        assert_eq!(read("https://www.example.com, http://localhost:3000,"), Ok(all));
        assert_eq!(read(""), Ok(vec![]));
        for bad in ["www.example.com", "https://", "://a", "https://a/", "https://a/b", "https://a,b"] {
            assert_eq!(read(bad), Err(()), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_stands_for_the_id_is_one_segment(id in "[^/]{1,20}", path in "(/[a-z0-9:]{0,3}){0,6}") {
            let route = Route { path: "/v1/articles/:/like", allow: "PUT, DELETE", action: () };
            let whole = format!("/v1/articles/{id}/like");
            for (target, fits) in [
                (format!("{whole}/"), true),
                (format!("{whole}//"), false),
                (format!("/{whole}"), false),
                (whole, true),
                (path, false),
            ] {
                prop_assert_eq!(route.matches(&target), fits, "{}", target);
            }
        }
    }

    #[test]
    fn a_route_is_matched_by_whole_segments() {
        let route = Route { path: "/v1/articles/:/like", allow: "PUT, DELETE", action: () };
        for (path, fits) in [
            ("/v1/articles/42/like", true),
            ("/v1/articles/42/like/", true),
            ("/v1/articles/x/like", true),
            ("/v1/articles//like", false),
            ("/v1/articles/42", false),
            ("/v1/articles/42/like/more", false),
            ("/v1/articles/42/likes", false),
            ("/", false),
        ] {
            assert_eq!(route.matches(path), fits, "{path}");
        }
    }
}
