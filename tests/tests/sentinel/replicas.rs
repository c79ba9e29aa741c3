//! A master that has lost its replicas refuses changes.

use anyhow::{Result, ensure};
use contract::{Kind, Truth};
use stack::wait_for;
use tests::Model;

use crate::{PATIENCE, system::alone};

const ARTICLE: i64 = 900;

#[test]
fn without_a_replica_changes_of_redis_are_refused_and_all_else_goes_on() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        for kind in Kind::ALL.iter().copied() {
            let pair = (900 + i64::from(kind.code()), ARTICLE);
            api.switch(kind, ARTICLE, true).user(pair.0).send().await?.says(kind, ARTICLE, true)?;
            model.switch(kind, pair, true);
        }
        // Silent for less than it takes the sentinels' master to be in doubt: they watch the master alone.
        let master = system.master().await?;
        let replicas: Vec<_> = system.servers().into_iter().filter(|server| server.port() != master.port()).collect();
        for replica in &replicas {
            replica.kill().await?;
        }

        for kind in Kind::of(Truth::Redis) {
            wait_for("a refusal", PATIENCE, async || {
                // Off and on again, so that each request is a change.
                for on in [false, true] {
                    let answer = api.switch(kind, ARTICLE, on).user(900).send().await?;
                    ensure!([200, 503].contains(&answer.status.as_u16()), "{answer:?}");
                    if answer.status == 503 {
                        assert_eq!(answer.body["type"], "/v1/problems/store-unavailable", "{answer:?}");
                        return Ok(Some(()));
                    }
                    model.switch(kind, (900, ARTICLE), on);
                }
                Ok(None)
            })
            .await?;
        }
        for kind in Kind::of(Truth::Mysql) {
            api.switch(kind, ARTICLE, true).user(901).send().await?.says(kind, ARTICLE, true)?;
            model.switch(kind, (901, ARTICLE), true);
        }
        let counters = api.get(&format!("/v1/articles/{ARTICLE}/interactions")).good().await?;
        ensure!(counters["stale"] == false, "{counters}");
        ensure!(system.stack.persister.is_running(), "{}", system.stack.persister.log_tail(20));

        let differences = system.differences(&model, ARTICLE..=ARTICLE).await?;
        ensure!(differences.is_empty(), "{differences:#?}");
        Ok(())
    })
}
