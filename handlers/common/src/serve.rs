use std::{any::Any, cell::OnceCell, rc::Rc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::Full;
use spin_sdk::{
    http::{IntoResponse, Request},
    wasip3::{http::types, wit_bindgen},
};

use crate::{
    Call, Deadline, Problem, Reply, Route, config,
    cors::{self, Origins},
    identity::Identifies,
    route::trimmed,
};

/// What one component does. Everything that each of them needs around it is done by [`serve`].
pub trait Component: 'static {
    /// The name in `spin.toml`.
    const NAME: &'static str;

    /// How callers say who they are: by an [`Identity`](crate::Identity), or `()` where everybody is answered alike. Then no token is looked
    /// at, and none of the variables for that is needed.
    type Identity: Identifies;

    /// What is done on a route.
    type Action: Copy + 'static;

    /// The paths that it answers; its health is answered by [`serve`].
    const ROUTES: &'static [Route<Self::Action>];

    /// What it reads of its variables.
    type Settings: 'static;

    /// Reads them, once an instance.
    fn load() -> impl Future<Output = Result<Self::Settings, Problem>>;

    /// Carries out an action.
    fn act(call: Call, action: Self::Action, settings: &Self::Settings)
    -> impl Future<Output = Result<Reply, Problem>>;
}

/// What a component keeps in an instance.
struct Own<C: Component> {
    identity: C::Identity,
    settings: C::Settings,
}

thread_local! {
    static ORIGINS: OnceCell<Rc<Origins>> = const { OnceCell::new() };

    /// Of the one component that is in an instance.
    static OWN: OnceCell<Rc<dyn Any>> = const { OnceCell::new() };
}

async fn origins() -> Result<Rc<Origins>, Problem> {
    Origins::load().await.map(Rc::new)
}

async fn own<C: Component>() -> Result<Rc<Own<C>>, Problem> {
    let load = async {
        Ok(Rc::new(Own::<C> { identity: C::Identity::load().await?, settings: C::load().await? }) as Rc<dyn Any>)
    };
    config::once(&OWN, load).await?.downcast().map_err(|_| Problem::Misconfigured)
}

/// Answers a request: finds its route, has the component carry it out, and adds the headers that every answer has.
pub async fn serve<C: Component>(request: Request) -> Result<types::Response, types::ErrorCode> {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let preflight = (request.method() == Method::OPTIONS).then(|| cors::allowed_headers(request.headers()));
    let call = Call::new(request);
    let request_id = call.request_id.clone();
    let origins = config::once(&ORIGINS, origins()).await;
    let outcome = match &origins {
        Ok(_) => answer::<C>(call).await,
        Err(problem) => Err(problem.clone()),
    };
    let reply = outcome.unwrap_or_else(Reply::from);
    let allowed = |origin: &HeaderValue| origins.as_ref().is_ok_and(|origins| origins.have(origin));
    send(reply, &request_id, origin.filter(allowed), preflight).await
}

async fn answer<C: Component>(mut call: Call) -> Result<Reply, Problem> {
    let route = C::ROUTES.iter().find(|route| route.matches(call.path()));
    let allow = match route {
        Some(route) => route.allow,
        None if trimmed(call.path()).strip_prefix("/healthz/") == Some(C::NAME) => "GET",
        None => return Err(Problem::NotFound),
    };
    if call.method == Method::OPTIONS {
        return Ok(Reply::no_content().with("allow", allow));
    }
    if !allow.split(", ").any(|method| method == call.method.as_str()) {
        return Err(Problem::MethodNotAllowed(allow));
    }
    call.receive().await?;
    // Also for its health: without its variables a component answers nothing.
    let own = own::<C>().await?;
    let Some(route) = route else { return Ok(Reply::json(&"ok")) };
    call.caller = own.identity.caller(call.headers()).await;
    // The patience with the stores begins after both: a slow client or provider is no fault of theirs.
    call.deadline = Deadline::of_request();
    C::act(call, route.action, &own.settings).await
}

async fn send(
    reply: Reply,
    request_id: &str,
    allowed_origin: Option<HeaderValue>,
    preflight: Option<String>,
) -> Result<types::Response, types::ErrorCode> {
    let length = reply.body.len();
    let mut response = http::Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = reply.status;
    let headers: &mut HeaderMap = response.headers_mut();
    headers.extend(reply.headers);
    let fixed = |value| HeaderValue::from_static(value);
    let varies = if preflight.is_some() { "Origin, Access-Control-Request-Headers" } else { "Origin" };
    headers.append(header::VARY, fixed(varies));
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
        let answered = preflight.filter(|_| reply.status == StatusCode::NO_CONTENT);
        if let Some(names) = answered.and_then(|names| HeaderValue::try_from(names).ok()) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, fixed("PUT, DELETE, POST"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, fixed("600"));
        }
    }
    // Without it the answer is chunked, and its last bytes wait for the client's delayed acknowledgement. A 204 has none
    // (RFC 9110 section 8.6), and a 304 no body that it could be of.
    let is_bare = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&reply.status);
    if !is_bare {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    let response = response.into_response()?;
    // The body is written by a task of its own; let it begin before the headers leave, so that both leave together.
    wit_bindgen::yield_async().await;
    Ok(response)
}
