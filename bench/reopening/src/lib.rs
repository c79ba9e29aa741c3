//! `PUT` and `DELETE /v1/articles/{id}/like` as the component `toggle` does it, by the same script, identity and limits, but
//! over a connection of its own for every request, as the examples of Spin do it.

use std::{cell::OnceCell, rc::Rc};

use contract::{
    ArticleId, Kind,
    scripts::{self, At, Call as _, Limit, Toggle, Toggled},
};
use handler_common::{
    Call, Clients, Component, Identity, Problem, Reply, Route, component,
    config::{limit, setting},
    redis::{Server, problem, read},
};
use serde::Serialize;
use spin_sdk::redis::{Connection, Error, RedisParameter, RedisResult};

component!(Reopening);

struct Reopening;

struct Settings {
    redis_url: String,
    clients: Clients,
    outbox_max: u64,
    limits: [Limit; 2],
}

impl Component for Reopening {
    /// As the one that it is compared with.
    const NAME: &'static str = "toggle";
    const ROUTES: &'static [Route<()>] = &[Route { path: "/v1/articles/:id/like", allow: "PUT, DELETE", action: () }];
    type Identity = Identity;
    type Action = ();
    type Settings = Settings;

    async fn load() -> Result<Settings, Problem> {
        Ok(Settings {
            redis_url: setting("redis_url").await?,
            clients: Clients::load().await?,
            outbox_max: setting("outbox_max_length").await?,
            limits: [limit("user_limit").await?, limit("address_limit").await?],
        })
    }

    async fn act(call: Call, (): (), settings: &Settings) -> Result<Reply, Problem> {
        let (article, user, on) = (call.article()?, call.required_user()?, call.method == "PUT");
        let ip_hash = &settings.clients.hash(call.headers());
        let Settings { outbox_max, limits, .. } = *settings;
        let request_id = &call.request_id;
        let toggle = Toggle { kind: Kind::Like, user, article, on, outbox_max, limits, request_id, ip_hash };
        let toggled = send(&call, settings, &toggle).await?;
        let body = Answer { article_id: &toggle.article, liked: on, likes: toggled.count };
        Ok(Reply::json(&body).with_limit(limits[0], toggled.gate))
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    article_id: &'a ArticleId,
    liked: bool,
    likes: i64,
}

thread_local! {
    /// Asked for once an instance, not at each connection: opening alone is what is measured.
    static SERVER: OnceCell<Rc<Server>> = const { OnceCell::new() };
}

async fn send(call: &Call, settings: &Settings, toggle: &Toggle<'_>) -> Result<Toggled, Problem> {
    let opened = async {
        let connection = Connection::open(&settings.redis_url).await?;
        let server = match SERVER.with(|known| known.get().cloned()) {
            Some(known) => known,
            None => Rc::new(Server::learn(&connection).await?),
        };
        SERVER.with(|known| _ = known.set(Rc::clone(&server)));
        execute(&connection, toggle, server.at(call.deadline)).await
    };
    let values = call.deadline.race(opened).await.and_then(Result::ok).ok_or(Problem::StoreUnavailable)?;
    read(values).map_err(|refusal| problem(refusal, toggle.limits()))
}

/// By the script's digest; by its text where the server does not know it yet.
async fn execute(connection: &Connection, toggle: &Toggle<'_>, at: At<'_>) -> Result<Vec<RedisResult>, Error> {
    let parameters = |text| scripts::send(toggle, at, text).map(RedisParameter::Binary);
    match connection.execute("EVALSHA", parameters(false)).await {
        Err(Error::Other(reason)) if reason.to_ascii_lowercase().contains("noscript") => {
            connection.execute("EVAL", parameters(true)).await
        }
        other => other,
    }
}
