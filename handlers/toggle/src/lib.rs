//! `PUT` and `DELETE /v1/articles/{id}/{kind}` switch a kind on and off: by one script if Redis decides the kind, by one
//! procedure if MySQL does.

mod in_mysql;
mod in_redis;
mod wish;

use contract::Truth;
use handler_common::{
    Call, Clients, Component, Identity, Problem, Reply, Route, component,
    config::{limit, setting},
};

use wish::{Settings, Wish};

component!(Toggle);

struct Toggle;

impl Component for Toggle {
    const NAME: &'static str = "toggle";
    const ROUTES: &'static [Route<()>] = &[Route { path: "/v1/articles/:id/:kind", allow: "PUT, DELETE", action: () }];
    type Identity = Identity;
    type Action = ();
    type Settings = Settings;

    async fn load() -> Result<Settings, Problem> {
        Ok(Settings {
            redis_url: setting("redis_url").await?,
            mysql_url: setting("mysql_url").await?,
            clients: Clients::load().await?,
            outbox_max: setting("outbox_max_length").await?,
            limits: [limit("user_limit").await?, limit("address_limit").await?],
        })
    }

    async fn act(call: Call, (): (), settings: &Settings) -> Result<Reply, Problem> {
        let wish = Wish {
            kind: call.kind()?,
            article: call.article()?,
            user: call.required_user()?,
            on: call.method == "PUT",
            ip_hash: settings.clients.hash(call.headers()),
        };
        match wish.kind.truth() {
            Truth::Redis => in_redis::toggle(&call, settings, wish).await,
            Truth::Mysql => in_mysql::toggle(&call, settings, &wish).await,
        }
    }
}
