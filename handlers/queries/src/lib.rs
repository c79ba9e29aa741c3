//! The queries: counters and status of articles and their sums, a user's likes and collects, an article's likers, what
//! was liked most lately; and what answers every path that no component has.

mod interactions;
mod lists;
mod parameters;
mod ready;
mod top;

use std::{cell::OnceCell, rc::Rc};

use handler_common::{Call, Problem, Reply, Route, config, config::setting, serve};
use spin_sdk::{http::Request, http_service, wasip3::http::types};

#[derive(Clone, Copy)]
enum Action {
    One,
    Batch,
    Totals,
    Likers,
    MyLikes,
    MyCollects,
    TopLikes,
    Ready,
    Health,
}

const ROUTES: &[Route<Action>] = &[
    Route { path: "/v1/articles/:/interactions", allow: "GET", action: Action::One },
    Route { path: "/v1/interactions", allow: "GET", action: Action::Batch },
    Route { path: "/v1/interactions/totals", allow: "GET", action: Action::Totals },
    Route { path: "/v1/articles/:/likers", allow: "GET", action: Action::Likers },
    Route { path: "/v1/me/likes", allow: "GET", action: Action::MyLikes },
    Route { path: "/v1/me/collects", allow: "GET", action: Action::MyCollects },
    Route { path: "/v1/top/likes", allow: "GET", action: Action::TopLikes },
    Route { path: "/readyz", allow: "GET", action: Action::Ready },
    Route { path: "/healthz/queries", allow: "GET", action: Action::Health },
];

#[http_service]
async fn handle(request: Request) -> Result<types::Response, types::ErrorCode> {
    serve(request, ROUTES, act).await
}

async fn act(call: Call, action: Action) -> Result<Reply, Problem> {
    let settings = config::once(&SETTINGS, load()).await?;
    match action {
        Action::One => interactions::one(&call, &settings).await,
        Action::Batch => interactions::batch(&call, &settings).await,
        Action::Totals => interactions::totals(&call, &settings).await,
        Action::Likers => lists::likers(&call, &settings).await,
        Action::MyLikes => lists::my_likes(&call, &settings).await,
        Action::MyCollects => lists::my_collects(&call, &settings).await,
        Action::TopLikes => top::likes(&call, &settings).await,
        Action::Ready => ready::ready(&call, &settings).await,
        Action::Health => Ok(Reply::json(&"ok")),
    }
}

/// Where the stores are.
struct Settings {
    redis_url: String,
    mysql_url: String,
}

thread_local! {
    static SETTINGS: OnceCell<Rc<Settings>> = const { OnceCell::new() };
}

async fn load() -> Result<Settings, Problem> {
    Ok(Settings { redis_url: setting("redis_url").await?, mysql_url: setting("mysql_url").await? })
}
