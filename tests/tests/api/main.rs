//! Every route as a caller sees it. All tests share one running system and keep apart by their articles and users.

mod addresses;
mod bodies;
mod description;
mod docs;
mod examples;
mod exclusion;
mod headers;
mod history;
mod ids;
mod kinds;
mod limits;
mod lists;
mod malformed;
mod pod;
mod queries;
mod refusals;
mod top;
mod truth;
mod views;
mod visitors;

use std::{sync::LazyLock, time::Duration};

use anyhow::{Context, Result};
use contract::{Kind, Truth};
use serde_json::{Map, Value, json};
use stack::{Options, Stack, wait_for};
use tests::Api;
use tokio::runtime::Runtime;

/// Limits narrow enough to be reached by a test that means to, and wide enough for the others, which use many users and
/// articles.
const BURST: usize = 40;

/// How long what follows a change, as a list or a projection does, may take.
const FOLLOWS: Duration = Duration::from_secs(30);

static SYSTEM: LazyLock<(Runtime, Stack)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let options = Options::default()
        .variable("toggle_user_limit", format!("{BURST},0.01"))
        .variable("view_visitor_limit", "1000,1000")
        .variable("cors_origins", "https://www.example.com,https://m.example.com,https://*.preview.example.org")
        .quiet();
    let stack = runtime.block_on(Stack::start(options)).expect("the system starts");
    println!("on {}", stack.app.kind());
    (runtime, stack)
});

/// Runs a test on the shared system.
fn on_system<T>(test: impl AsyncFnOnce(Api, &'static Stack) -> Result<T>) -> Result<T> {
    let (runtime, stack) = &*SYSTEM;
    runtime.block_on(test(Api::new(stack.http_url()), stack))
}

/// All kinds, each with an article of its own.
fn kinds(first_article: i64) -> impl Iterator<Item = (Kind, i64)> {
    Kind::ALL.iter().map(move |kind| (*kind, first_article + i64::from(kind.code())))
}

/// The answer to a request that switches a kind.
fn switched(kind: Kind, article: i64, on: bool, count: i64) -> Value {
    json!({"article_id": article.to_string(), kind.on(): on, kind.count(): count})
}

/// The answer to a signed-in user about an article without views that has only these kinds on: each with its count, and
/// whether the user has it on.
fn counters(article: i64, kinds: &[(Kind, i64, bool)]) -> Value {
    let of =
        |kind: Kind| kinds.iter().find(|(known, ..)| *known == kind).map_or((0, false), |(_, count, on)| (*count, *on));
    let fixed = [("article_id", json!(article.to_string())), ("stale", json!(false))];
    let views = ["pv", "uv", "reads"].map(|field| (field, json!(0)));
    let kinds = Kind::ALL.iter().flat_map(|kind| [(kind.count(), json!(of(*kind).0)), (kind.on(), json!(of(*kind).1))]);
    let fields = fixed.into_iter().chain(views).chain(kinds).map(|(field, value)| (field.to_owned(), value));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// That a user gets this answer about an article: at once if Redis decides the kind that was switched, else soon.
async fn shown(api: &Api, switched: Kind, article: i64, user: i64, expected: &Value) -> Result<()> {
    let ask = async || api.get(&format!("/v1/articles/{article}/interactions")).user(user).good().await;
    if switched.truth() == Truth::Redis {
        assert_eq!(ask().await?, *expected);
        return Ok(());
    }
    let mut last = Value::Null;
    let waited = wait_for("the projection", FOLLOWS, async || {
        last = ask().await?;
        Ok((last == *expected).then_some(()))
    });
    waited.await.with_context(|| format!("{last} instead of {expected}"))
}
