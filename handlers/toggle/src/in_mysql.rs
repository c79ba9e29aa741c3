use std::time::Duration;

use contract::{
    Partition,
    scripts::{Gate, TakeLimit},
};
use handler_common::{
    Call, Problem, Reply,
    mysql::{self, integer, text},
    redis::{self, Resend},
};
use spin_sdk::mysql::ParameterValue;

use crate::wish::{Settings, Switched, Wish};

/// How long a request may wait for the frequency limit. Without Redis there is no limit.
const LIMIT_PATIENCE: Duration = Duration::from_millis(300);

const SQL: &str = "CALL toggle(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Changes row, count and outbox together, in one procedure (`persister/migrations/0003_toggle.sql`).
pub(crate) async fn toggle(call: &Call, settings: &Settings, wish: &Wish) -> Result<Reply, Problem> {
    let left = take_limit(call, settings, wish).await?;
    let parameters = |deadline_ms| {
        vec![
            ParameterValue::Uint8(wish.kind.code()),
            ParameterValue::Uint8(Partition::of(wish.article.number()).get()),
            ParameterValue::Int64(wish.user.number().get()),
            ParameterValue::Int64(wish.article.number().get()),
            ParameterValue::Int8(wish.on.into()),
            ParameterValue::Int64(deadline_ms),
            ParameterValue::Str("user".to_owned()),
            // The change does not depend on the row's version.
            ParameterValue::DbNull,
            ParameterValue::DbNull,
            ParameterValue::Str(call.request_id.clone()),
            ParameterValue::Str(wish.ip_hash.clone()),
            name(wish.user.name()),
            name(wish.article.name()),
        ]
    };
    let rows = mysql::query(&settings.mysql_url, call.deadline, SQL, &parameters).await?;
    let row = rows.first().ok_or(Problem::StoreUnavailable)?;
    match text(row, "refused")?.as_str() {
        "" => {}
        "BARRED" => return Err(Problem::Barred),
        "COLLISION" => return Err(Problem::IdCollision),
        _ => {
            // The procedure said LATE: the deadline has passed by the server's clock, but not by ours.
            mysql::forget_idle();
            return Err(Problem::StoreUnavailable);
        }
    }
    let (on, count) = (integer(row, "is_on")? == 1, integer(row, "count")?);
    let reply = Reply::json(&Switched { kind: wish.kind, article: &wish.article, on, count });
    Ok(match left {
        Some(left) => reply.with_limit(settings.limits[0], left),
        None => reply,
    })
}

/// Returns the text of an id that is a name. Any other id is known by its number.
fn name(name: Option<&str>) -> ParameterValue {
    name.map_or(ParameterValue::DbNull, |name| ParameterValue::Str(name.to_owned()))
}

/// Charges the limits. `None` if Redis cannot say, since the change needs only MySQL.
async fn take_limit(call: &Call, settings: &Settings, wish: &Wish) -> Result<Option<Gate>, Problem> {
    let (user, article) = (wish.user.number(), wish.article.number());
    let take = TakeLimit { kind: wish.kind, user, article, ip_hash: &wish.ip_hash, limits: settings.limits };
    let deadline = call.deadline.at_most(LIMIT_PATIENCE);
    match redis::call(&settings.redis_url, deadline, Resend::Never, &take).await {
        Ok(left) => Ok(Some(left)),
        Err(refused @ Problem::Limited { .. }) => Err(refused),
        Err(_) => Ok(None),
    }
}
