//! `POST /v1/articles/{id}/views` counts a page view and its visitor, and gives a token; `POST /v1/articles/{id}/reads`
//! takes the token after five seconds or more and counts a read, once.

use std::{cell::OnceCell, rc::Rc};

use contract::{
    ArticleId, Partition,
    keys::{self, Subject},
    scripts,
};
use handler_common::{
    Call, Clients, Limit, Problem, READ_AFTER, Reply, Route, VIEW_LIFETIME, ViewToken, Viewer, Visitors,
    config::{self, secret, setting},
    redis::{self, Resend},
    serve,
};
use serde::Serialize;
use spin_sdk::{http::Request, http_service, wasip3::http::types};

#[derive(Clone, Copy)]
enum Action {
    View,
    Read,
    Health,
}

const ROUTES: &[Route<Action>] = &[
    Route { path: "/v1/articles/:/views", allow: "POST", action: Action::View },
    Route { path: "/v1/articles/:/reads", allow: "POST", action: Action::Read },
    Route { path: "/healthz/read", allow: "GET", action: Action::Health },
];

#[http_service]
async fn handle(request: Request) -> Result<types::Response, types::ErrorCode> {
    serve(request, ROUTES, act).await
}

async fn act(call: Call, action: Action) -> Result<Reply, Problem> {
    match action {
        Action::View => view(&call).await,
        Action::Read => read(call).await,
        Action::Health => Ok(Reply::json(&"ok")),
    }
}

struct Settings {
    redis_url: String,
    clients: Clients,
    visitors: Visitors,
    view_token_key: String,
    outbox_max_length: u64,
    view_visitor_limit: Limit,
    view_address_limit: Limit,
    read_address_limit: Limit,
}

thread_local! {
    static SETTINGS: OnceCell<Rc<Settings>> = const { OnceCell::new() };
}

async fn load() -> Result<Settings, Problem> {
    Ok(Settings {
        redis_url: setting("redis_url").await?,
        clients: Clients::load().await?,
        visitors: Visitors::load().await?,
        view_token_key: secret("view_token_key").await?,
        outbox_max_length: setting("outbox_max_length").await?,
        view_visitor_limit: setting("view_visitor_limit").await?,
        view_address_limit: setting("view_address_limit").await?,
        read_address_limit: setting("read_address_limit").await?,
    })
}

#[derive(Serialize)]
struct Viewed {
    article_id: ArticleId,
    pv: i64,
    uv: i64,
    view_token: String,
    read_after_seconds: i64,
}

async fn view(call: &Call) -> Result<Reply, Problem> {
    let article = call.article()?;
    let user = call.user()?;
    let settings = config::once(&SETTINGS, load()).await?;
    let (viewer, cookie) = match (user, settings.visitors.known(call.headers())) {
        (Some(user), _) => (Viewer::User(user), None),
        (None, Some(visitor)) => (Viewer::Visitor(visitor), None),
        (None, None) => {
            let (visitor, cookie) = settings.visitors.welcome();
            (Viewer::Visitor(visitor), Some(cookie))
        }
    };
    let limits = [settings.view_visitor_limit, settings.view_address_limit];
    let ip_hash = settings.clients.hash(call.headers());
    let visitor_id = viewer.visitor_text();
    let subject = match viewer {
        Viewer::User(user) => Subject::User(user),
        Viewer::Visitor(_) => Subject::Visitor(&visitor_id),
    };

    let partition = Partition::of(article);
    let keys = vec![
        keys::warm(partition),
        keys::limit(article, "view", subject),
        keys::limit(article, "view", Subject::Address(&ip_hash)),
        keys::pv(article),
        keys::uv(article),
        keys::changed(partition),
    ];
    let mut args = vec![subject.to_string(), article.to_string()];
    args.extend(Limit::args(&limits));
    // A view that may have been counted is not sent again.
    let answer = redis::change(&settings.redis_url, call.deadline, Resend::Never, scripts::VIEW, keys, args).await?;
    let answer = answer.accepted(&limits)?;
    let token =
        ViewToken { id: ViewToken::new_id(), article, viewer, epoch: answer.number(4)?, viewed_ms: answer.number(3)? };
    let body = Viewed {
        article_id: article,
        pv: answer.number(1)?,
        uv: answer.number(2)?,
        view_token: token.seal(&settings.view_token_key),
        read_after_seconds: READ_AFTER / 1000,
    };
    let reply = Reply::json(&body).with_limit(&answer.limit_state(5, limits[0])?);
    Ok(match cookie {
        Some(cookie) => reply.with("set-cookie", &cookie),
        None => reply,
    })
}

#[derive(Serialize)]
struct Read {
    article_id: ArticleId,
    reads: i64,
    counted: bool,
}

async fn read(mut call: Call) -> Result<Reply, Problem> {
    let article = call.article()?;
    let user = call.user()?;
    let body = call.body().await?;
    let settings = config::once(&SETTINGS, load()).await?;
    let token = ViewToken::of_body(&settings.view_token_key, &body)?;
    if token.article != article {
        return Err(Problem::ViewTokenInvalid);
    }
    // The token says who reads. A beacon carries no token of the user and perhaps no cookie; but where the caller says
    // who it is, that must not be somebody else.
    let reader = match token.viewer {
        Viewer::User(reader) if user.is_none_or(|user| user == reader) => Some(reader),
        Viewer::Visitor(reader) if settings.visitors.known(call.headers()).is_none_or(|known| known == reader) => None,
        _ => return Err(Problem::ViewTokenInvalid),
    };
    let limits = [settings.read_address_limit];
    let ip_hash = settings.clients.hash(call.headers());

    let partition = Partition::of(article);
    let keys = vec![
        keys::warm(partition),
        keys::outbox(partition),
        keys::limit(article, "read", Subject::Address(&ip_hash)),
        keys::reads(article),
        keys::used_token(article, &token.id_text()),
        keys::changed(partition),
    ];
    let mut args = vec![
        reader.map(|reader| reader.to_string()).unwrap_or_default(),
        article.to_string(),
        settings.outbox_max_length.to_string(),
        token.epoch.to_string(),
        token.viewed_ms.to_string(),
        READ_AFTER.to_string(),
        VIEW_LIFETIME.to_string(),
    ];
    args.extend(Limit::args(&limits));
    args.extend([call.request_id.clone(), ip_hash]);
    let answer = redis::change(&settings.redis_url, call.deadline, Resend::Once, scripts::READ, keys, args).await?;
    let answer = answer.accepted(&limits)?;
    Ok(Reply::json(&Read { article_id: article, counted: answer.number(1)? == 1, reads: answer.number(2)? }))
}
