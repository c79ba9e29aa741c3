use contract::{Partition, keys, scripts};
use futures::future::join;
use handler_common::{
    Call, Problem, Reply, mysql,
    redis::{self, Invocation, Resend},
};
use serde::Serialize;

use crate::Settings;

#[derive(Serialize)]
struct Ready {
    redis: &'static str,
    mysql: &'static str,
    /// Of 128; likes, views and reads of the others are refused until the persister has checked them.
    warm_partitions: usize,
}

/// `GET /readyz`, for people and tools: 200 when Redis and MySQL answer, else 503 naming which does not.
pub(crate) async fn ready(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    // A query for no article tells whether a partition is warm.
    let calls: Vec<Invocation> = Partition::all()
        .map(|partition| Invocation {
            script: scripts::QUERY,
            keys: vec![keys::warm(partition)],
            args: vec![String::new()],
            deadline: false,
        })
        .collect();
    let (answers, rows) = join(
        redis::run(&settings.redis_url, call.deadline, Resend::Once, &calls),
        mysql::query(&settings.mysql_url, call.deadline, "SELECT CAST(1 AS SIGNED) AS one", &|_| vec![]),
    )
    .await;
    let word = |answered: bool| if answered { "ok" } else { "unavailable" };
    let redis = answers.iter().all(Result::is_ok);
    let status = if redis && rows.is_ok() { 200 } else { 503 };
    let body = Ready {
        redis: word(redis),
        mysql: word(rows.is_ok()),
        warm_partitions: answers.iter().flatten().filter(|answer| answer.word() == "OK").count(),
    };
    Ok(Reply::status_json(status.try_into().map_err(|_| Problem::StoreUnavailable)?, &body))
}
