//! What an erasure does not reach, and until when it stays.

use contract::UserId;

use crate::{
    commands::remains::Remains,
    store::{Stores, servers::Servers},
};

/// A bar that was set for another reason than the erasure.
pub(super) fn bar(user: &UserId, reason: &str) -> Remains {
    Remains::new(
        "table user_bar, and its copy in each partition of Redis",
        &format!("the bar of the user's number and its reason, {reason:?}"),
        &format!("until `persister bars lift --user {user}`"),
    )
}

/// Everything that remains, with the present retention of each store.
pub(super) async fn of(stores: &Stores, redis: &mut Servers) -> anyhow::Result<Vec<Remains>> {
    let events = "events with the user's id and the keyed hash of the address, which no delivery applies any more";
    let letters = "such events among those that could not be applied; a replay does not bring them back";
    let mut all = Vec::from(Remains::in_kafka(stores, [events, letters]).await?);
    all.push(Remains::new(
        "table outbox, and the projection in Redis",
        "what the relay has not projected and shipped yet",
        "for milliseconds, as long as a relay runs",
    ));
    all.push(Remains::new(
        "Redis limits",
        "keys that name the user, without what was done",
        "for seconds to minutes, by their expiry",
    ));
    all.extend(Remains::in_logs(stores, redis, "the commands that named the user").await?);
    all.push(Remains::new(
        "log lines of components, gateway and article service",
        "request ids and addresses, which the gateway's own log may join to a user",
        "as long as those logs are kept; no line of the service itself has a user's id",
    ));
    all.push(Remains::new(
        "backups",
        "all of it, as it was",
        "until they are deleted; after restoring one, erase the user again",
    ));
    all.push(Remains::new("article views, visitors and reads", "sums and sketches, which name nobody", "for good"));
    all.push(Remains::new(
        "table erased_user",
        "the user's number and the time, so that nothing comes back",
        "for good",
    ));
    Ok(all)
}
