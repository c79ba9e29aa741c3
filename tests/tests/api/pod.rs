//! Another instance of the application, on the same stores unless the variables say otherwise.

use anyhow::Result;
use stack::{App, Stack};
use tests::Api;

/// Variables of one that finds no Redis.
pub(crate) const NO_REDIS: [(&str, &str); 2] =
    [("redis_url", "redis://127.0.0.1:1"), ("redis_address", "redis://127.0.0.1:1")];
/// Variables of one that finds no MySQL.
pub(crate) const NO_MYSQL: [(&str, &str); 2] =
    [("mysql_url", "mysql://nobody:word@127.0.0.1:1/interaction"), ("mysql_address", "mysql://127.0.0.1:1")];

pub(crate) async fn pod(stack: &Stack, name: &str, variables: &[(&str, &str)]) -> Result<(App, Api)> {
    let app = stack.app.another(name, variables)?;
    app.start().await?;
    let api = Api::new(app.url().to_owned());
    Ok((app, api))
}
