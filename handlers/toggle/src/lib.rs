//! `PUT` and `DELETE /v1/articles/{id}/collect`: one call of a stored procedure, which changes the row, the count and
//! the outbox in one transaction.

use std::{cell::OnceCell, rc::Rc, time::Duration};

use contract::{
    ArticleId, Partition, UserId,
    keys::{self, Subject},
    scripts,
};
use handler_common::{
    Call, Clients, Limit, LimitState, Problem, Reply, Route,
    config::{self, setting},
    mysql::{self, integer, text},
    redis::{self, Resend},
    serve,
};
use serde::Serialize;
use spin_sdk::{http::Request, http_service, mysql::ParameterValue, wasip3::http::types};

#[derive(Clone, Copy)]
enum Action {
    Collect,
    Health,
}

const ROUTES: &[Route<Action>] = &[
    Route { path: "/v1/articles/:/collect", allow: "PUT, DELETE", action: Action::Collect },
    Route { path: "/healthz/collect", allow: "GET", action: Action::Health },
];

#[http_service]
async fn handle(request: Request) -> Result<types::Response, types::ErrorCode> {
    serve(request, ROUTES, act).await
}

async fn act(call: Call, action: Action) -> Result<Reply, Problem> {
    match action {
        Action::Collect => collect(&call).await,
        Action::Health => Ok(Reply::json(&"ok")),
    }
}

struct Settings {
    redis_url: String,
    mysql_url: String,
    clients: Clients,
    user_limit: Limit,
    address_limit: Limit,
}

thread_local! {
    static SETTINGS: OnceCell<Rc<Settings>> = const { OnceCell::new() };
}

async fn load() -> Result<Settings, Problem> {
    Ok(Settings {
        redis_url: setting("redis_url").await?,
        mysql_url: setting("mysql_url").await?,
        clients: Clients::load().await?,
        user_limit: setting("user_limit").await?,
        address_limit: setting("address_limit").await?,
    })
}

/// How long the frequency limit may keep a favourite waiting; without Redis there is none.
const LIMIT_PATIENCE: Duration = Duration::from_millis(300);

#[derive(Serialize)]
struct Outcome {
    article_id: ArticleId,
    collected: bool,
    collects: i64,
}

/// `PUT` collects, `DELETE` uncollects.
async fn collect(call: &Call) -> Result<Reply, Problem> {
    let article = call.article()?;
    let user = call.required_user()?;
    let status = i8::from(call.method == "PUT");
    let settings = config::once(&SETTINGS, load()).await?;
    let ip_hash = settings.clients.hash(call.headers());
    let left = limit(call, &settings, article, user, &ip_hash).await?;

    let parameters = |deadline_ms| {
        vec![
            ParameterValue::Int64(user.get()),
            ParameterValue::Int64(article.get()),
            ParameterValue::Int8(status),
            ParameterValue::Int64(deadline_ms),
            ParameterValue::Str(call.request_id.clone()),
            ParameterValue::Str(ip_hash.clone()),
        ]
    };
    let rows = mysql::query(&settings.mysql_url, call.deadline, "CALL collect(?, ?, ?, ?, ?, ?)", &parameters).await?;
    let row = rows.first().ok_or(Problem::StoreUnavailable)?;
    match text(row, "refused")?.as_str() {
        "" => {}
        "BARRED" => return Err(Problem::Barred),
        _ => {
            // LATE by the server's clock and not by ours.
            mysql::forget_idle();
            return Err(Problem::StoreUnavailable);
        }
    }
    let body = Outcome {
        article_id: article,
        collected: integer(row, "collected")? == 1,
        collects: integer(row, "collects")?,
    };
    let reply = Reply::json(&body);
    Ok(match left {
        Some(left) => reply.with_limit(&left),
        None => reply,
    })
}

/// Charges the limit; `None` where Redis cannot say, since favourites need only MySQL.
async fn limit(
    call: &Call,
    settings: &Settings,
    article: ArticleId,
    user: UserId,
    ip_hash: &str,
) -> Result<Option<LimitState>, Problem> {
    let limits = [settings.user_limit, settings.address_limit];
    let keys = vec![
        keys::warm(Partition::of(article)),
        keys::limit(article, "collect", Subject::User(user)),
        keys::limit(article, "collect", Subject::Address(ip_hash)),
    ];
    let args = Limit::args(&limits);
    let deadline = call.deadline.at_most(LIMIT_PATIENCE);
    let answer = redis::change(&settings.redis_url, deadline, Resend::Never, scripts::LIMIT, keys, args).await;
    match answer.and_then(|answer| answer.accepted(&limits)) {
        Ok(answer) => Ok(Some(answer.limit_state(1, limits[0])?)),
        Err(refused @ Problem::Limited { .. }) => Err(refused),
        Err(_) => Ok(None),
    }
}
