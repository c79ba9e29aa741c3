//! `POST /v1/articles/{id}/views` counts a page view and its visitor, and gives a token; `POST /v1/articles/{id}/reads`
//! takes the token after five seconds or more and counts a read, once.

use std::time::SystemTime;

use contract::{
    ArticleId, Partition,
    keys::Subject,
    scripts::{self, Limit, Query, Used},
};
use handler_common::{
    Call, Clients, Component, Identity, Problem, READ_AFTER, Reply, Route, VIEW_LIFETIME, ViewToken, Viewer, Visitors,
    component,
    config::{limit, secret, setting},
    is_unseen,
    redis::{self, Resend},
};
use serde::Serialize;

component!(Reads);

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
    /// The limits of the visitor and of the client's address.
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
            Action::Read => read(&call, settings).await,
        }
    }
}

#[derive(Serialize)]
struct Viewed<'a> {
    article_id: &'a ArticleId,
    pv: i64,
    uv: i64,
    /// `None` if nothing was counted.
    view_token: Option<String>,
    read_after_seconds: i64,
}

impl<'a> Viewed<'a> {
    fn new(article_id: &'a ArticleId, pv: i64, uv: i64, view_token: Option<String>) -> Self {
        Self { article_id, pv, uv, view_token, read_after_seconds: READ_AFTER / 1000 }
    }
}

async fn view(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    const TAKES: &str = "No body is needed; {\"consent\":false} makes this view one without a cookie.";
    let (article, user) = (call.article()?, call.user()?);
    let consent = call.flag("consent", TAKES)?;
    if is_unseen(call.headers(), user.is_some()) {
        return unseen(call, settings, &article).await;
    }
    let ip_hash = &settings.clients.hash(call.headers());
    let (id, key) = (ViewToken::new_id(), &settings.view_token_key);
    let (viewer, visitor_text, cookie) = if let Some(user) = user {
        (Viewer::User(user), String::new(), None)
    } else {
        let visitor = settings.visitors.of(call.headers(), ip_hash, consent, SystemTime::now());
        (Viewer::visitor(key, &id, &visitor.id), visitor.text(), visitor.cookie)
    };
    let visitor = match &viewer {
        Viewer::User(user) => Subject::User(user.number()),
        Viewer::Visitor(_) => Subject::Visitor(&visitor_text),
    };
    let limits = settings.view_limits;
    let view = scripts::View { article, visitor, ip_hash, limits };
    // A view that may have been counted is not sent again.
    let counted = redis::call(&settings.redis_url, call.deadline, Resend::Never, &view).await?;

    let article = view.article;
    let token = ViewToken { id, article: article.number(), viewer, epoch: counted.epoch, viewed_ms: counted.at_ms };
    let body = Viewed::new(&article, counted.pv, counted.uv, Some(token.seal(key)));
    let reply = Reply::json(&body).with_limit(limits[0], counted.gate);
    Ok(match cookie {
        Some(cookie) => reply.with("set-cookie", &cookie),
        None => reply,
    })
}

/// Answers a request that nobody looks at: the counters as they are, and no token for a read.
async fn unseen(call: &Call, settings: &Settings, article: &ArticleId) -> Result<Reply, Problem> {
    let number = article.number();
    let query = Query { articles: vec![(Partition::of(number), number)], user: None };
    let counters = redis::call(&settings.redis_url, call.deadline, Resend::Once, &query).await?;
    let counters = counters.first().and_then(Option::as_ref).ok_or(Problem::NotWarm)?;
    Ok(Reply::json(&Viewed::new(article, counters.pv, counters.uv, None)))
}

#[derive(Serialize)]
struct Read<'a> {
    article_id: &'a ArticleId,
    reads: i64,
    counted: bool,
}

async fn read(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let article = call.article()?;
    let user = call.user()?;
    let token = ViewToken::of_body(&settings.view_token_key, call.body()?)?;
    if token.article != article.number() {
        return Err(Problem::ViewTokenInvalid);
    }
    // The view token alone says who reads, because a beacon carries no token of the user, and its cookie may be another
    // by now. But if the caller does say who it is, the view must be that user's.
    let reader = match (&token.viewer, &user) {
        (Viewer::User(reader), None) => Some(reader),
        (Viewer::User(reader), Some(user)) if user == reader => Some(reader),
        (Viewer::Visitor(_), None) => None,
        _ => return Err(Problem::ViewTokenInvalid),
    };
    let ViewToken { epoch, viewed_ms, .. } = token;
    let read = scripts::Read {
        article,
        user: reader.cloned(),
        token: Used { number: token.number(), epoch, viewed_ms, after_ms: READ_AFTER, lifetime_ms: VIEW_LIFETIME },
        outbox_max: settings.outbox_max,
        limit: settings.read_limit,
        request_id: &call.request_id,
        ip_hash: &settings.clients.hash(call.headers()),
    };
    let reading = redis::call(&settings.redis_url, call.deadline, Resend::Once, &read).await?;
    Ok(Reply::json(&Read { article_id: &read.article, reads: reading.reads, counted: reading.counted }))
}
