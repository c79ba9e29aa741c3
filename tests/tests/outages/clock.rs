//! Redis's clock was ahead, and is set right.

use anyhow::Result;
use stack::wait_for;
use tests::Model;

use crate::{PATIENCE, alone, kinds, until_switched};

/// How far it was ahead, in seconds: longer than an erasure takes.
const AHEAD: i64 = 10;

#[test]
fn an_erased_user_stays_barred_until_the_clock_is_past_what_was_erased() -> Result<()> {
    alone(async |system, api| {
        system.stack.redis.set_clock(AHEAD)?;
        // Taken back, so that it is not the erasure that says the last word about it.
        for ((kind, article), on) in kinds(4700).flat_map(|of| [(of, true), (of, false)]) {
            until_switched(&api, kind, (1, article), on).await?;
        }
        system.drained().await?;
        system.stack.redis.set_clock(0)?;

        let mut erase = system.stack.persister.command(&["erase", "--user", "1"])?.spawn()?;
        for (kind, article) in kinds(4710) {
            wait_for("the bar", PATIENCE, async || {
                let status = api.switch(kind, article, true).user(1).send().await?.status;
                Ok((status == 403).then_some(()))
            })
            .await?;
        }
        assert!(erase.wait().await?.success());
        let mut model = Model::default();
        for (kind, article) in kinds(4700).chain(kinds(4710)) {
            until_switched(&api, kind, (1, article), true).await?;
            model.switch(kind, (1, article), true);
        }
        system.holds(&model, 4700..=4719).await
    })
}
