use contract::scripts;
use handler_common::{
    Call, Problem, Reply,
    redis::{self, Resend},
};

use crate::wish::{Settings, Switched, Wish};

/// Changes status, count and outbox together, in one script.
pub(crate) async fn toggle(call: &Call, settings: &Settings, wish: Wish) -> Result<Reply, Problem> {
    let Wish { kind, article, user, on, ip_hash } = wish;
    let Settings { outbox_max, limits, .. } = *settings;
    let request_id = &call.request_id;
    let toggle = scripts::Toggle { kind, user, article, on, outbox_max, limits, request_id, ip_hash: &ip_hash };
    let toggled = redis::call(&settings.redis_url, call.deadline, Resend::Once, &toggle).await?;
    Ok(Reply::json(&Switched { kind, article: &toggle.article, on, count: toggled.count })
        .with_limit(limits[0], toggled.gate))
}
