use contract::{Partition, scripts::Query};
use futures::future::join;
use handler_common::{
    Call, Problem, Reply, mysql,
    redis::{Calls, Resend, by_server},
};
use serde::Serialize;

use crate::settings::Settings;

#[derive(Serialize)]
struct Ready {
    redis: &'static str,
    mysql: &'static str,
    /// The warm partitions, of 128. Changes, views and reads in the others are refused until the persister has checked
    /// them.
    warm_partitions: usize,
}

/// `GET /readyz`, for people and tools: 200 if Redis and MySQL answer, otherwise 503 and which of them does not.
pub(crate) async fn ready(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    // A query says for each article whether its partition is warm, even for an article that nobody has touched.
    let nothing = "1".parse().map_err(|_| Problem::Misconfigured)?;
    let partitions: Vec<_> = Partition::all().map(|partition| (partition, nothing)).collect();
    let servers = by_server(&settings.redis_url, call.deadline, &partitions).await;
    let calls: Vec<Query> = servers.into_iter().map(|articles| Query { articles, user: None }).collect();
    let calls = Calls::new(&calls);
    let ((), rows) = join(
        calls.send(&settings.redis_url, call.deadline, Resend::Once),
        mysql::query(&settings.mysql_url, call.deadline, "SELECT CAST(1 AS SIGNED) AS one", &|_| vec![]),
    )
    .await;
    let answers = calls.answers();
    let word = |answered: bool| if answered { "ok" } else { "unavailable" };
    // If no partition is warm, Redis has answered too.
    let redis = answers.iter().all(|answer| matches!(answer, Ok(_) | Err(Problem::NotWarm)));
    let status = if redis && rows.is_ok() { 200 } else { 503 };
    let body = Ready {
        redis: word(redis),
        mysql: word(rows.is_ok()),
        warm_partitions: answers.iter().flatten().flatten().flatten().count(),
    };
    Ok(Reply::status_json(status.try_into().map_err(|_| Problem::StoreUnavailable)?, &body))
}
