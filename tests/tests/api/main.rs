//! Every route as a caller sees it. All tests share one running system and keep apart by their articles and users.

mod collect;
mod description;
mod docs;
mod examples;
mod headers;
mod like;
mod limits;
mod malformed;
mod queries;
mod refusals;
mod top;
mod views;

use std::sync::LazyLock;

use anyhow::Result;
use stack::{Options, Stack};
use tests::Api;
use tokio::runtime::Runtime;

/// Limits narrow enough to be reached by a test that means to, and wide enough for the others, which use many users and
/// articles.
const LIKE_BURST: usize = 40;

static SYSTEM: LazyLock<(Runtime, Stack)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let options = Options::default()
        .variable("like_user_limit", format!("{LIKE_BURST},0.01"))
        .variable("view_visitor_limit", "1000,1000")
        .variable("cors_origins", "https://www.example.com,https://m.example.com")
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
