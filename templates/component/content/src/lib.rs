//! `PUT` and `DELETE /v1/articles/{id}/{{project-name | kebab_case}}`.

use contract::{ArticleId, UserId};
use handler_common::{Call, Component, Identity, Problem, Reply, Route, component};
use serde::Serialize;

component!({{project-name | pascal_case}});

struct {{project-name | pascal_case}};

impl Component for {{project-name | pascal_case}} {
    const NAME: &'static str = "{{project-name | kebab_case}}";
    const ROUTES: &'static [Route<()>] =
        &[Route { path: "/v1/articles/:id/{{project-name | kebab_case}}", allow: "PUT, DELETE", action: () }];
    type Identity = Identity;
    type Action = ();
    type Settings = ();

    /// Reads the variables that it comes to need, as `toggle` does.
    async fn load() -> Result<(), Problem> {
        Ok(())
    }

    async fn act(call: Call, (): (), (): &()) -> Result<Reply, Problem> {
        {{project-name | snake_case}}(&call)
    }
}

#[derive(Serialize)]
struct Outcome {
    article_id: ArticleId,
    user_id: UserId,
    method: String,
}

/// Answers what was asked for and by whom, and stores nothing. Add the component's one call to a store here, as in `toggle`.
fn {{project-name | snake_case}}(call: &Call) -> Result<Reply, Problem> {
    let (article_id, user_id) = (call.article()?, call.required_user()?);
    Ok(Reply::json(&Outcome { article_id, user_id, method: call.method.to_string() }))
}
