//! The test of the test: losses and doubles that are planted, one of each kind, must all be found.

use anyhow::{Context, Result, ensure};
use contract::keys;
use redis::{AsyncCommands, streams::StreamRangeReply};
use sqlx::MySqlPool;
use tests::{Api, Redis, Wrong, id, partition_of, redis};

use crate::{client::Told, system::System, verdict::judge};

/// Where it is planted, by users whom no client plays.
const ARTICLE: i64 = 2;
const GONE_FROM_REDIS: i64 = 9001;
const GONE_FROM_MYSQL: i64 = 9002;
const UNDONE_BY_A_LATE_COMMAND: i64 = 9003;
const GONE_FROM_THE_OUTBOX: i64 = 9004;
const TWICE_IN_THE_OUTBOX: i64 = 9005;

fn request_id(user: i64) -> String {
    format!("plant-{user}")
}

/// Plants them in a system that is clean, and returns how many. Fails if the verdict misses one.
pub(crate) async fn are_all_found(system: &System, mut told: Told) -> Result<usize> {
    let api = Api::new(system.stack.http_url());
    let mut redis = redis(&system.stack.redis_url()).await?;
    let mysql = MySqlPool::connect(&system.stack.mysql_owner_url()).await?;
    for user in [GONE_FROM_REDIS, GONE_FROM_MYSQL, UNDONE_BY_A_LATE_COMMAND] {
        like(&api, &mut told, user).await?;
    }
    view(&api, &mut told).await?;
    // What is planted in the outbox must be there before a relay has taken it.
    system
        .hold_relays(async || {
            for user in [GONE_FROM_THE_OUTBOX, TWICE_IN_THE_OUTBOX] {
                like(&api, &mut told, user).await?;
            }
            lose_and_double(&mut redis).await
        })
        .await?;
    system.recovered().await?;

    let members = keys::members(id(ARTICLE));
    let removed: i64 = redis.srem(&members, GONE_FROM_REDIS).await?;
    ensure!(removed == 1, "article {ARTICLE} is not meant to have more than one set");
    sqlx::query("DELETE FROM user_like WHERE user_id = ? AND article_id = ?")
        .bind(GONE_FROM_MYSQL)
        .bind(ARTICLE)
        .execute(&mysql)
        .await?;
    api.delete(&format!("/v1/articles/{ARTICLE}/like")).user(UNDONE_BY_A_LATE_COMMAND).good().await?;
    let () = redis.incr(keys::pv(id(ARTICLE)), 1_000_000).await?;
    system.recovered().await?;

    let found = judge(system, &told).await?.wrong;
    let lost = |part: String| Wrong::Lost(part);
    let pair = |user: i64| format!("user {user}, article {ARTICLE}");
    let planted = [
        lost(format!("likes in Redis: {}", pair(GONE_FROM_REDIS))),
        lost(format!("likes in MySQL: {}", pair(GONE_FROM_MYSQL))),
        lost(format!("likes in Redis: {}", pair(UNDONE_BY_A_LATE_COMMAND))),
        lost(format!("likes in MySQL: {}", pair(UNDONE_BY_A_LATE_COMMAND))),
        lost(format!("{} changed something and is not in the log", request_id(GONE_FROM_THE_OUTBOX))),
        lost(format!("likes in MySQL: {}", pair(GONE_FROM_THE_OUTBOX))),
        Wrong::Double(format!("{} changed something 2 times", request_id(TWICE_IN_THE_OUTBOX))),
    ];
    for wrong in &planted {
        ensure!(found.contains(wrong), "planted and not found: {wrong:?}, among {found:#?}");
    }
    let views = format!("PV of {ARTICLE}: ");
    ensure!(
        found.iter().any(|wrong| matches!(wrong, Wrong::Double(text) if text.starts_with(&views))),
        "planted and not found: a million page views, among {found:#?}"
    );
    Ok(planted.len() + 1)
}

async fn like(api: &Api, told: &mut Told, user: i64) -> Result<()> {
    let ask = api.put(&format!("/v1/articles/{ARTICLE}/like")).user(user);
    ask.header("x-request-id", &request_id(user)).good().await?;
    told.model.likes.insert((user, ARTICLE), true);
    told.requests.insert(request_id(user), Some(true));
    Ok(())
}

async fn view(api: &Api, told: &mut Told) -> Result<()> {
    api.post(&format!("/v1/articles/{ARTICLE}/views")).user(GONE_FROM_REDIS).good().await?;
    told.views.entry(ARTICLE).or_default().0 += 1;
    Ok(())
}

/// One entry of the outbox disappears, another is there twice, as two changes.
async fn lose_and_double(redis: &mut Redis) -> Result<()> {
    let outbox = keys::outbox(partition_of(ARTICLE));
    let entries: StreamRangeReply = redis.xrange_all(&outbox).await?;
    let of = |user: i64| {
        let entry = entries.ids.iter().find(|entry| entry.get::<String>("request_id") == Some(request_id(user)));
        entry.with_context(|| format!("the like of {user} is not in the outbox"))
    };
    let removed: i64 = redis.xdel(&outbox, &[&of(GONE_FROM_THE_OUTBOX)?.id]).await?;
    ensure!(removed == 1);
    let twice = of(TWICE_IN_THE_OUTBOX)?;
    let field = |name: &'static str| Ok((name, twice.get::<String>(name).with_context(|| name)?));
    let fields = contract::OutboxEntry::FIELDS.into_iter().map(field).collect::<Result<Vec<_>>>()?;
    let _: String = redis.xadd(&outbox, "*", &fields).await?;
    Ok(())
}
