//! Redis's clock was ahead, and is set right.

use anyhow::Result;
use reqwest::Method;
use stack::wait_for;
use tests::Model;

use crate::{PATIENCE, alone, path, until};

/// How far it was ahead, in seconds: longer than an erasure takes.
const AHEAD: i64 = 10;

#[test]
fn an_erased_user_stays_barred_until_the_clock_is_past_what_was_erased() -> Result<()> {
    alone(async |system, api| {
        system.stack.redis.set_clock(AHEAD)?;
        // Taken back, so that it is not the erasure that says the last word about it.
        for method in [Method::PUT, Method::DELETE] {
            until(&api, method, &path(4700, "like"), 1, 200).await?;
        }
        system.drained().await?;
        system.stack.redis.set_clock(0)?;

        let mut erase = system.stack.persister.command(&["erase", "--user", "1"])?.spawn()?;
        wait_for("the bar", PATIENCE, async || {
            let status = api.put(&path(4701, "like")).user(1).send().await?.status;
            Ok((status == 403).then_some(()))
        })
        .await?;
        assert!(erase.wait().await?.success());
        let mut model = Model::default();
        for article in [4700, 4701] {
            until(&api, Method::PUT, &path(article, "like"), 1, 200).await?;
            model.likes.insert((1, article), true);
        }
        system.holds(&model, 4700..=4701).await
    })
}
