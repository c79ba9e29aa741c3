//! Kinds switched on and off as the component does it.

use contract::{
    ArticleId, Kind, Partition, Truth, UserId,
    scripts::{At, Call, Limit, Refusal, Reply, Toggle, Value, send},
};
use redis::aio::MultiplexedConnection;
use sqlx::MySqlPool;

use crate::world::World;

const NO_LIMIT: Limit = Limit { burst: 1_000_000, interval_us: 1 };

/// Connections of somebody who calls.
#[derive(Clone)]
pub(crate) struct Caller {
    redis: MultiplexedConnection,
    server: String,
    mysql: MySqlPool,
}

impl World {
    pub(crate) async fn caller(&self) -> Caller {
        Caller { redis: self.redis().await, server: self.server().await.unwrap(), mysql: self.mysql.clone() }
    }
}

impl Caller {
    /// Switches a kind on or off, in the store that decides it, or says why not.
    pub(crate) async fn toggle(
        &mut self,
        kind: Kind,
        user: i64,
        article: i64,
        on: bool,
        ip_hash: &str,
    ) -> Result<(), Refusal> {
        let (user, article): (UserId, ArticleId) =
            (user.to_string().parse().unwrap(), article.to_string().parse().unwrap());
        self.toggle_of(kind, &user, &article, on, ip_hash).await
    }

    /// The same by ids of any spelling.
    pub(crate) async fn toggle_of(
        &mut self,
        kind: Kind,
        user: &UserId,
        article: &ArticleId,
        on: bool,
        ip_hash: &str,
    ) -> Result<(), Refusal> {
        match kind.truth() {
            Truth::Redis => {
                let limits = [NO_LIMIT; 2];
                let (user, article) = (user.clone(), article.clone());
                let toggle =
                    Toggle { kind, user, article, on, outbox_max: 1_000_000, limits, request_id: "request", ip_hash };
                self.call(&toggle).await.map(|_| ())
            }
            Truth::Mysql => self.toggle_in_mysql(kind, user, article, on, ip_hash).await,
        }
    }

    async fn toggle_in_mysql(
        &self,
        kind: Kind,
        user: &UserId,
        article: &ArticleId,
        on: bool,
        ip_hash: &str,
    ) -> Result<(), Refusal> {
        let toggle = "CALL toggle(?, ?, ?, ?, ?, NULL, 'user', NULL, NULL, 'request', ?, ?, ?)";
        let (refused, ..): (String, i64, i64, i64) = sqlx::query_as(toggle)
            .bind(kind.code())
            .bind(Partition::of(article.number()).get())
            .bind(user.number().get())
            .bind(article.number().get())
            .bind(on)
            .bind(ip_hash)
            .bind(user.name())
            .bind(article.name())
            .fetch_one(&self.mysql)
            .await
            .unwrap();
        match refused.as_str() {
            "" => Ok(()),
            "BARRED" => Err(Refusal::Barred),
            other => panic!("{other}"),
        }
    }

    /// That, where it must be done.
    pub(crate) async fn toggled(&mut self, kind: Kind, user: i64, article: i64, on: bool) {
        assert_eq!(self.toggle(kind, user, article, on, "0af7").await, Ok(()));
    }

    /// Calls a script.
    pub(crate) async fn call<C: Call>(&mut self, call: &C) -> Result<C::Answer, Refusal> {
        let mut eval = redis::cmd("EVAL");
        for argument in send(call, At { server: &self.server, deadline_ms: None }, true) {
            eval.arg(argument);
        }
        let values: Vec<redis::Value> = eval.query_async(&mut self.redis).await.unwrap();
        let value = |value| match value {
            redis::Value::Int(number) => Value::Int(number),
            redis::Value::BulkString(bytes) => Value::Bytes(bytes),
            other => panic!("{other:?}"),
        };
        Reply::new(values.into_iter().map(value).collect()).read()
    }
}
