//! Kinds that exclude each other.

use anyhow::Result;
use contract::Kind;
use stack::wait_for;
use tests::{GROUP, Log, Topic};

use crate::{FOLLOWS, counters, on_system, shown, switched};

#[test]
fn a_kind_switches_off_what_it_excludes_for_its_user_alone_by_one_event_each() -> Result<()> {
    on_system(async |api, stack| {
        let topic = Topic::open(&stack.kafka_brokers(), GROUP)?;
        let pairs = Kind::ALL.iter().flat_map(|kind| kind.excludes().iter().map(move |other| (*kind, *other)));
        for (article, (kind, other)) in (1200..).zip(pairs) {
            for user in [1, 2] {
                api.switch(other, article, true).user(user).good().await?;
            }
            let request = format!("{kind}-in-place-of-{other}");
            for _ in 0..2 {
                let on = api.switch(kind, article, true).user(1).header("x-request-id", &request).good().await?;
                assert_eq!(on, switched(kind, article, true, 1));
            }
            shown(&api, kind, article, 1, &counters(article, &[(kind, 1, true), (other, 1, false)])).await?;
            shown(&api, kind, article, 2, &counters(article, &[(kind, 1, false), (other, 1, true)])).await?;
            let changes = wait_for("the events", FOLLOWS, async || {
                let changes = Log::of(&topic.events()?).changes_of(&request);
                Ok((changes.len() > 1).then_some(changes))
            })
            .await?;
            assert_eq!(changes, [(other, false), (kind, true)]);

            // It is not on, so nothing happens; and what was switched off does not come back.
            api.switch(other, article, false).user(1).good().await?;
            shown(&api, kind, article, 1, &counters(article, &[(kind, 1, true), (other, 1, false)])).await?;
            api.switch(kind, article, false).user(1).good().await?;
            shown(&api, kind, article, 1, &counters(article, &[(other, 1, false)])).await?;
        }
        Ok(())
    })
}
