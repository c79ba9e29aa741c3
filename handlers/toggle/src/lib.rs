//! `PUT` and `DELETE /v1/articles/{id}/{kind}` switch a kind on and off: by one script if Redis decides the kind, by one
//! procedure if MySQL does.

mod in_mysql;
mod in_redis;

use contract::{ArticleId, Kind, Truth, UserId, scripts::Limit};
use handler_common::{
    Call, Clients, Component, Problem, Reply, Route,
    config::{limit, setting},
    serve,
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use spin_sdk::{http::Request, http_service, wasip3::http::types};

#[http_service]
async fn handle(request: Request) -> Result<types::Response, types::ErrorCode> {
    serve::<Toggle>(request).await
}

struct Toggle;

struct Settings {
    redis_url: String,
    mysql_url: String,
    clients: Clients,
    outbox_max: u64,
    /// The user's, and the client address's.
    limits: [Limit; 2],
}

impl Component for Toggle {
    const NAME: &'static str = "toggle";
    const ROUTES: &'static [Route<()>] = &[Route { path: "/v1/articles/:id/:kind", allow: "PUT, DELETE", action: () }];
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
            Truth::Redis => in_redis::toggle(&call, settings, &wish).await,
            Truth::Mysql => in_mysql::toggle(&call, settings, &wish).await,
        }
    }
}

/// What the caller wants.
struct Wish {
    kind: Kind,
    article: ArticleId,
    user: UserId,
    on: bool,
    ip_hash: String,
}

/// What holds after it.
struct Switched {
    kind: Kind,
    article: ArticleId,
    on: bool,
    count: i64,
}

impl Serialize for Switched {
    /// By hand, since the kind names the fields.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(Some(3))?;
        fields.serialize_entry("article_id", &self.article)?;
        fields.serialize_entry(self.kind.on(), &self.on)?;
        fields.serialize_entry(self.kind.count(), &self.count)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_kinds_fields() {
        for kind in Kind::ALL.iter().copied() {
            let answer = Switched { kind, article: "42".parse().expect("an id"), on: true, count: 7 };
            assert_eq!(
                serde_json::to_string(&answer).expect("it serialises"),
                format!(r#"{{"article_id":"42","{}":true,"{}":7}}"#, kind.on(), kind.count())
            );
        }
    }
}
