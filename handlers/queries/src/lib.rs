//! The queries: counters and status of articles and their sums, lists of users and of articles, the articles that
//! gained most lately, and an article's history by day. This component also answers every path that no other component has.

mod history;
mod interactions;
mod lists;
mod parameters;
mod ready;
mod settings;
mod top;

use handler_common::{Call, Component, Identity, Problem, Reply, Route, component, config::setting};

use settings::Settings;

component!(Queries);

struct Queries;

#[derive(Clone, Copy)]
enum Action {
    One,
    Batch,
    Totals,
    History,
    Users,
    Mine,
    Top,
    Ready,
}

impl Component for Queries {
    const NAME: &'static str = "queries";
    const ROUTES: &'static [Route<Action>] = &[
        Route { path: "/v1/articles/:id/interactions", allow: "GET", action: Action::One },
        Route { path: "/v1/interactions", allow: "GET", action: Action::Batch },
        Route { path: "/v1/interactions/totals", allow: "GET", action: Action::Totals },
        Route { path: "/v1/articles/:id/history", allow: "GET", action: Action::History },
        Route { path: "/v1/articles/:id/:list", allow: "GET", action: Action::Users },
        Route { path: "/v1/me/:count", allow: "GET", action: Action::Mine },
        Route { path: "/v1/top/:counter", allow: "GET", action: Action::Top },
        Route { path: "/readyz", allow: "GET", action: Action::Ready },
    ];
    type Identity = Identity;
    type Action = Action;
    type Settings = Settings;

    async fn load() -> Result<Settings, Problem> {
        Ok(Settings {
            redis_url: setting("redis_url").await?,
            mysql_url: setting("mysql_url").await?,
            anonymous_cache_control: setting("anonymous_cache_control").await?,
        })
    }

    async fn act(call: Call, action: Action, settings: &Settings) -> Result<Reply, Problem> {
        match action {
            Action::One => interactions::one(&call, settings).await,
            Action::Batch => interactions::batch(&call, settings).await,
            Action::Totals => interactions::totals(&call, settings).await,
            Action::History => history::history(&call, settings).await,
            Action::Users => lists::users(&call, settings).await,
            Action::Mine => lists::mine(&call, settings).await,
            Action::Top => top::top(&call, settings).await,
            Action::Ready => ready::ready(&call, settings).await,
        }
    }
}
