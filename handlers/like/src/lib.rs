//! `PUT` and `DELETE /v1/articles/{id}/like`: one script call, which changes status, count and outbox together.

use std::{cell::OnceCell, rc::Rc};

use contract::{
    ArticleId, Partition,
    keys::{self, Subject},
    scripts,
};
use handler_common::{
    Call, Clients, Limit, Problem, Reply, Route,
    config::{self, setting},
    redis::{self, Resend},
    serve,
};
use serde::Serialize;
use spin_sdk::{http::Request, http_service, wasip3::http::types};

#[derive(Clone, Copy)]
enum Action {
    Like,
    Health,
}

const ROUTES: &[Route<Action>] = &[
    Route { path: "/v1/articles/:/like", allow: "PUT, DELETE", action: Action::Like },
    Route { path: "/healthz/like", allow: "GET", action: Action::Health },
];

#[http_service]
async fn handle(request: Request) -> Result<types::Response, types::ErrorCode> {
    serve(request, ROUTES, act).await
}

async fn act(call: Call, action: Action) -> Result<Reply, Problem> {
    match action {
        Action::Like => like(&call).await,
        Action::Health => Ok(Reply::json(&"ok")),
    }
}

struct Settings {
    redis_url: String,
    clients: Clients,
    outbox_max_length: u64,
    user_limit: Limit,
    address_limit: Limit,
}

thread_local! {
    static SETTINGS: OnceCell<Rc<Settings>> = const { OnceCell::new() };
}

async fn load() -> Result<Settings, Problem> {
    Ok(Settings {
        redis_url: setting("redis_url").await?,
        clients: Clients::load().await?,
        outbox_max_length: setting("outbox_max_length").await?,
        user_limit: setting("user_limit").await?,
        address_limit: setting("address_limit").await?,
    })
}

#[derive(Serialize)]
struct Outcome {
    article_id: ArticleId,
    liked: bool,
    likes: i64,
}

/// `PUT` likes, `DELETE` unlikes.
async fn like(call: &Call) -> Result<Reply, Problem> {
    let article = call.article()?;
    let user = call.required_user()?;
    let liked = call.method == "PUT";
    let settings = config::once(&SETTINGS, load()).await?;
    let limits = [settings.user_limit, settings.address_limit];
    let ip_hash = settings.clients.hash(call.headers());

    let partition = Partition::of(article);
    let keys = vec![
        keys::warm(partition),
        keys::barred(partition),
        keys::outbox(partition),
        keys::limit(article, "like", Subject::User(user)),
        keys::limit(article, "like", Subject::Address(&ip_hash)),
        keys::likes(article),
        keys::members(article),
        keys::held(partition),
    ];
    let mut args = vec![
        user.to_string(),
        article.to_string(),
        u8::from(liked).to_string(),
        settings.outbox_max_length.to_string(),
    ];
    args.extend(Limit::args(&limits));
    args.extend([call.request_id.clone(), ip_hash]);
    let answer = redis::change(&settings.redis_url, call.deadline, Resend::Once, scripts::LIKE, keys, args).await?;
    let answer = answer.accepted(&limits)?;
    let body = Outcome { article_id: article, liked, likes: answer.number(2)? };
    let left = answer.limit_state(3, limits[0])?;
    Ok(Reply::json(&body).with_limit(&left))
}
