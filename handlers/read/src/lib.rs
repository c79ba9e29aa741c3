//! `POST /v1/articles/{id}/views` counts a page view and its visitor, and gives a token; `POST /v1/articles/{id}/reads`
//! takes the token after five seconds or more and counts a read, once.

use contract::{
    ArticleId,
    keys::Subject,
    scripts::{self, Limit, Used},
};
use handler_common::{
    Call, Clients, Component, Identity, Problem, READ_AFTER, Reply, Route, VIEW_LIFETIME, ViewToken, Viewer, Visitors,
    config::{limit, secret, setting},
    redis::{self, Resend},
    serve,
};
use serde::Serialize;
use spin_sdk::{http::Request, http_service, wasip3::http::types};

#[http_service]
async fn handle(request: Request) -> Result<types::Response, types::ErrorCode> {
    serve::<Reads>(request).await
}

struct Reads;

#[derive(Clone, Copy)]
enum Action {
    View,
    Read,
}

struct Settings {
    redis_url: String,
    clients: Clients,
    visitors: Visitors,
    view_token_key: String,
    outbox_max: u64,
    /// The visitor's, and the client address's.
    view_limits: [Limit; 2],
    read_limit: Limit,
}

impl Component for Reads {
    const NAME: &'static str = "read";
    const ROUTES: &'static [Route<Action>] = &[
        Route { path: "/v1/articles/:id/views", allow: "POST", action: Action::View },
        Route { path: "/v1/articles/:id/reads", allow: "POST", action: Action::Read },
    ];
    type Identity = Identity;
    type Action = Action;
    type Settings = Settings;

    async fn load() -> Result<Settings, Problem> {
        Ok(Settings {
            redis_url: setting("redis_url").await?,
            clients: Clients::load().await?,
            visitors: Visitors::load().await?,
            view_token_key: secret("view_token_key").await?,
            outbox_max: setting("outbox_max_length").await?,
            view_limits: [limit("view_visitor_limit").await?, limit("view_address_limit").await?],
            read_limit: limit("read_address_limit").await?,
        })
    }

    async fn act(call: Call, action: Action, settings: &Settings) -> Result<Reply, Problem> {
        match action {
            Action::View => view(&call, settings).await,
            Action::Read => read(call, settings).await,
        }
    }
}

#[derive(Serialize)]
struct Viewed<'a> {
    article_id: &'a ArticleId,
    pv: i64,
    uv: i64,
    view_token: String,
    read_after_seconds: i64,
}

async fn view(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let article = call.article()?;
    let (viewer, cookie) = match (call.user()?, settings.visitors.known(call.headers())) {
        (Some(user), _) => (Viewer::User(user), None),
        (None, Some(visitor)) => (Viewer::Visitor(visitor), None),
        (None, None) => {
            let (visitor, cookie) = settings.visitors.welcome();
            (Viewer::Visitor(visitor), Some(cookie))
        }
    };
    let visitor_id = viewer.visitor_text();
    let visitor = match &viewer {
        Viewer::User(user) => Subject::User(user.number()),
        Viewer::Visitor(_) => Subject::Visitor(&visitor_id),
    };
    let (ip_hash, limits) = (&settings.clients.hash(call.headers()), settings.view_limits);
    let view = scripts::View { article, visitor, ip_hash, limits };
    // A view that may have been counted is not sent again.
    let counted = redis::call(&settings.redis_url, call.deadline, Resend::Never, &view).await?;

    let id = ViewToken::new_id();
    let token =
        ViewToken { id, article: view.article.number(), viewer, epoch: counted.epoch, viewed_ms: counted.at_ms };
    let body = Viewed {
        article_id: &view.article,
        pv: counted.pv,
        uv: counted.uv,
        view_token: token.seal(&settings.view_token_key),
        read_after_seconds: READ_AFTER / 1000,
    };
    let reply = Reply::json(&body).with_limit(limits[0], counted.gate);
    Ok(match cookie {
        Some(cookie) => reply.with("set-cookie", &cookie),
        None => reply,
    })
}

#[derive(Serialize)]
struct Read<'a> {
    article_id: &'a ArticleId,
    reads: i64,
    counted: bool,
}

async fn read(mut call: Call, settings: &Settings) -> Result<Reply, Problem> {
    let article = call.article()?;
    let user = call.user()?;
    let body = call.body().await?;
    let token = ViewToken::of_body(&settings.view_token_key, &body)?;
    if token.article != article.number() {
        return Err(Problem::ViewTokenInvalid);
    }
    // The token says who reads. A beacon carries no token of the user and perhaps no cookie; but where the caller says
    // who it is, that must not be somebody else.
    let reader = match &token.viewer {
        Viewer::User(reader) if user.is_none_or(|user| user == *reader) => Some(reader.clone()),
        Viewer::Visitor(reader) if settings.visitors.known(call.headers()).is_none_or(|known| known == *reader) => None,
        _ => return Err(Problem::ViewTokenInvalid),
    };
    let ViewToken { epoch, viewed_ms, .. } = token;
    let id = &token.id_text();
    let read = scripts::Read {
        article,
        user: reader,
        token: Used { id, epoch, viewed_ms, after_ms: READ_AFTER, lifetime_ms: VIEW_LIFETIME },
        outbox_max: settings.outbox_max,
        limit: settings.read_limit,
        request_id: &call.request_id,
        ip_hash: &settings.clients.hash(call.headers()),
    };
    let reading = redis::call(&settings.redis_url, call.deadline, Resend::Once, &read).await?;
    Ok(Reply::json(&Read { article_id: &read.article, reads: reading.reads, counted: reading.counted }))
}
