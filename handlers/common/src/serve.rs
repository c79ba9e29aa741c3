use std::{any::Any, cell::OnceCell, future::poll_fn, marker::PhantomData, rc::Rc, task::Poll};

use http::{Method, StatusCode};
use spin_sdk::wasip3::{
    exports::http::handler::Guest,
    http::types::{ErrorCode, Fields, Request, Response},
    wit_bindgen, wit_future, wit_stream,
};

use crate::{
    Call, Deadline, Problem, Reply, Route, config,
    cors::{self, Origins},
    headers::text,
    identity::Identifies,
    route::trimmed,
};

/// What one component does. [`Served`] does everything that all components need around it.
pub trait Component: 'static {
    /// The name in `spin.toml`.
    const NAME: &'static str;

    /// How callers say who they are: by an [`Identity`](crate::Identity), or by `()` if all callers get the same
    /// answers. With `()` no token is looked at, and the variables for tokens are not needed.
    type Identity: Identifies;

    /// What a route does.
    type Action: Copy + 'static;

    /// The paths that the component answers. [`Served`] answers for its health.
    const ROUTES: &'static [Route<Self::Action>];

    /// The settings, which come from the component's variables.
    type Settings: 'static;

    /// Reads the settings, once for each instance.
    fn load() -> impl Future<Output = Result<Self::Settings, Problem>>;

    /// Carries out an action.
    fn act(call: Call, action: Self::Action, settings: &Self::Settings)
    -> impl Future<Output = Result<Reply, Problem>>;
}

/// The values that a component keeps in an instance.
struct Own<C: Component> {
    identity: C::Identity,
    settings: C::Settings,
}

thread_local! {
    static ORIGINS: OnceCell<Rc<Origins>> = const { OnceCell::new() };

    /// The values of the only component of the instance.
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

/// A component as the platform calls it; see [`component!`](crate::component).
#[derive(Debug)]
pub struct Served<C>(PhantomData<C>);

/// Exports a [`Component`].
#[macro_export]
macro_rules! component {
    ($component:ty) => {
        type Served = $crate::Served<$component>;
        ::spin_sdk::wasip3::http::service::export!(Served);
    };
}

impl<C: Component> Guest for Served<C> {
    /// Answers a request: finds its route, has the component carry it out, and adds the headers that every answer has.
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let call = Call::new(request);
        let origin = call.headers().first("origin").and_then(text);
        let preflight = (call.method == Method::OPTIONS).then(|| cors::allowed_headers(call.headers()));
        let request_id = call.request_id.clone();
        let origins = config::once(&ORIGINS, origins()).await;
        let outcome = match &origins {
            Ok(_) => answer::<C>(call).await,
            Err(problem) => Err(problem.clone()),
        };
        let reply = outcome.unwrap_or_else(Reply::from);
        let allowed = |origin: &String| origins.as_ref().is_ok_and(|origins| origins.have(origin));
        send(finished(reply, &request_id, origin.filter(allowed), preflight)).await
    }
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
    // The component's health needs the variables too: without them it answers nothing.
    let own = own::<C>().await?;
    let Some(route) = route else { return Ok(Reply::json(&"ok")) };
    call.caller = own.identity.caller(call.headers()).await;
    // The time for the stores begins only now: a slow client or provider is not their fault.
    call.deadline = Deadline::of_request();
    C::act(call, route.action, &own.settings).await
}

/// Returns the answer with the headers that every answer has.
fn finished(reply: Reply, request_id: &str, allowed_origin: Option<String>, preflight: Option<String>) -> Reply {
    let varies = if preflight.is_some() { "Origin, Access-Control-Request-Headers" } else { "Origin" };
    let is_kept = reply.headers.iter().any(|(name, _)| name == "cache-control");
    let mut reply = reply.with("vary", varies).with("x-request-id", request_id);
    if !is_kept {
        reply = reply.with("cache-control", "no-store");
    }
    if let Some(origin) = allowed_origin {
        reply = reply
            .with("access-control-allow-origin", &origin)
            .with("access-control-allow-credentials", "true")
            .with("access-control-expose-headers", "Retry-After, RateLimit, RateLimit-Policy, X-Request-Id");
        if let Some(names) = preflight.filter(|_| reply.status == StatusCode::NO_CONTENT) {
            reply = reply
                .with("access-control-allow-methods", "PUT, DELETE, POST")
                .with("access-control-allow-headers", &names)
                .with("access-control-max-age", "600");
        }
    }
    // Without a length the answer is chunked, and its last bytes wait for the client's delayed acknowledgement. A 204
    // has no length (RFC 9110 section 8.6), and a 304 has no body.
    if [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&reply.status) {
        return reply;
    }
    let length = reply.body.len().to_string();
    reply.with("content-length", &length)
}

/// Sends an answer without the SDK's conversions, which cost as much as a quarter of a like.
async fn send(reply: Reply) -> Result<Response, ErrorCode> {
    let Reply { status, headers, body } = reply;
    let refused = |error| ErrorCode::InternalError(Some(format!("headers: {error:?}")));
    let headers = Fields::from_list(&headers).map_err(refused)?;
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    if body.is_empty() {
        let (response, _) = Response::new(headers, None, no_trailers);
        return Ok(with_status(response, status));
    }
    let (mut writer, contents) = wit_stream::new();
    let (response, _) = Response::new(headers, Some(contents), no_trailers);
    // A client that is gone reads nothing, so the result of the writing does not matter.
    let mut writing = Box::pin(async move { drop(writer.write_all(body).await) });
    // The writing begins before the headers leave, so that both leave together. It ends in its own task.
    if poll_fn(|context| Poll::Ready(writing.as_mut().poll(context).is_pending())).await {
        wit_bindgen::spawn(writing);
    }
    Ok(with_status(response, status))
}

fn with_status(response: Response, status: StatusCode) -> Response {
    if status != StatusCode::OK {
        // This fails only for a number that is no status.
        let _ = response.set_status_code(status.as_u16());
    }
    response
}
