//! Describes the service to its callers: `GET /v1/openapi.json`, and under `GET /v1/problems` a page for each `type` of
//! a problem. `build.rs` makes all of this from `docs/`, so the component needs no store, no key and no secret.

use handler_common::{Call, Component, Problem, Reply, Route, component};

// This file defines DESCRIPTION, LIST, PAGES and POLICY.
include!(concat!(env!("OUT_DIR"), "/docs.rs"));

component!(Docs);

struct Docs;

#[derive(Clone, Copy)]
enum Action {
    Description,
    Problems,
    Problem,
}

impl Component for Docs {
    const NAME: &'static str = "docs";
    const ROUTES: &'static [Route<Action>] = &[
        Route { path: "/v1/openapi.json", allow: "GET", action: Action::Description },
        Route { path: "/v1/problems", allow: "GET", action: Action::Problems },
        Route { path: "/v1/problems/:slug", allow: "GET", action: Action::Problem },
    ];
    type Identity = ();
    type Action = Action;
    type Settings = ();

    async fn load() -> Result<(), Problem> {
        Ok(())
    }

    async fn act(call: Call, action: Action, (): &()) -> Result<Reply, Problem> {
        match action {
            Action::Description => Ok(kept(Reply::text("application/json", DESCRIPTION))),
            Action::Problems => Ok(page(LIST)),
            Action::Problem => {
                let slug = call.path().split('/').nth(3).unwrap_or_default();
                let found = PAGES.iter().find(|(known, _)| *known == slug);
                found.map(|(_, html)| page(html)).ok_or(Problem::NotFound)
            }
        }
    }
}

fn page(html: &str) -> Reply {
    kept(Reply::text("text/html; charset=utf-8", html)).with("content-security-policy", POLICY)
}

/// Lets caches keep an answer for an hour. It is the same for everybody, with a token or without, until the next
/// release.
fn kept(reply: Reply) -> Reply {
    reply.with("cache-control", "public, max-age=3600")
}
