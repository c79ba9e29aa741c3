//! `PUT` and `DELETE /v1/articles/{id}/{{project-name | kebab_case}}`.

use contract::{ArticleId, UserId};
use handler_common::{Call, Problem, Reply, Route, serve};
use serde::Serialize;
use spin_sdk::{http::Request, http_service, wasip3::http::types};

#[derive(Clone, Copy)]
enum Action {
    {{project-name | pascal_case}},
    Health,
}

const ROUTES: &[Route<Action>] = &[
    Route { path: "/v1/articles/:/{{project-name | kebab_case}}", allow: "PUT, DELETE", action: Action::{{project-name | pascal_case}} },
    Route { path: "/healthz/{{project-name | kebab_case}}", allow: "GET", action: Action::Health },
];

#[http_service]
async fn handle(request: Request) -> Result<types::Response, types::ErrorCode> {
    serve(request, ROUTES, async |call, action| act(&call, action)).await
}

fn act(call: &Call, action: Action) -> Result<Reply, Problem> {
    match action {
        Action::{{project-name | pascal_case}} => {{project-name | snake_case}}(call),
        Action::Health => Ok(Reply::json(&"ok")),
    }
}

#[derive(Serialize)]
struct Outcome {
    article_id: ArticleId,
    user_id: UserId,
    method: String,
}

/// Answers what was asked for and by whom, and stores nothing. Add the component's one call to a store here.
fn {{project-name | snake_case}}(call: &Call) -> Result<Reply, Problem> {
    let (article_id, user_id) = (call.article()?, call.required_user()?);
    Ok(Reply::json(&Outcome { article_id, user_id, method: call.method.to_string() }))
}
