//! Importing pairs and counters of another system.

use anyhow::Result;
use contract::{
    Kind, Truth, keys,
    scripts::{EXCLUDED, HOLD_RAN_OUT, IMPORTED, Import, ImportCounters, Refusal, WAS_THERE},
};
use redis::AsyncCommands;

use super::{PER_SET, Server, article, exclusions, hold, id, pair, partition, written};

fn of<const N: usize>(users: [i64; N]) -> [(contract::UserNumber, contract::ArticleNumber); N] {
    users.map(|user| (id(user), article()))
}

#[tokio::test]
async fn what_is_held_is_switched_on_once_and_without_an_event() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        server.fill(kind, [8]).await?;
        let held = server.call(&hold(&[pair(kind, 7), pair(kind, 8)], 60_000)).await??;
        // The third pair is not held.
        let pairs = of([7, 8, 9]);
        let import = Import { partition: partition(), kind, pairs: &pairs, until: &held.until };
        assert_eq!(server.mistaken(&import).await?, Err(Refusal::Cold));
        let before = held.last;
        let imported = server.call(&import).await??;
        assert_eq!(imported.outcomes, [IMPORTED, WAS_THERE, HOLD_RAN_OUT]);
        assert!(imported.last > before, "a server that has lost the import ends below this id");
        let again = server.call(&import).await??;
        assert_eq!((again.outcomes, again.last), (vec![WAS_THERE, WAS_THERE, HOLD_RAN_OUT], imported.last));
        assert_eq!((server.count(kind).await?, server.members(kind).await?), (Some(2), [7, 8].into()));
        assert_eq!(server.outbox().await?.len(), 1, "that of the user's own change");
        let late = Import { until: "1", ..import };
        assert_eq!(server.call(&late).await??.outcomes, [HOLD_RAN_OUT; 3]);
    }
    Ok(())
}

#[tokio::test]
async fn what_a_user_has_on_excludes_what_is_imported() -> Result<()> {
    for (kind, other) in exclusions() {
        let mut server = Server::warm().await?;
        server.fill(other, [7]).await?;
        let held = server.call(&hold(&[pair(kind, 7), pair(kind, 8)], 60_000)).await??;
        let import = Import { partition: partition(), kind, pairs: &of([7, 8]), until: &held.until };
        assert_eq!(server.call(&import).await??.outcomes, [EXCLUDED, IMPORTED]);
        assert_eq!((server.members(kind).await?, server.members(other).await?), ([8].into(), [7].into()));
    }
    Ok(())
}

#[tokio::test]
async fn many_imported_users_are_spread_over_small_sets() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        for first in (1..10 * PER_SET).step_by(200) {
            let users: Vec<i64> = (first..first + 200).collect();
            let pairs: Vec<_> = users.iter().map(|user| pair(kind, *user)).collect();
            let held = server.call(&hold(&pairs, 60_000)).await??;
            let pairs: Vec<_> = users.iter().map(|user| (id(*user), article())).collect();
            let import = Import { partition: partition(), kind, pairs: &pairs, until: &held.until };
            assert_eq!(server.call(&import).await??.outcomes, [IMPORTED; 200]);
        }
        let sets: i64 = server.connection.get(format!("{}:n", keys::members(kind, article()))).await?;
        assert!(sets > 5, "{sets}");
        assert_eq!(server.count(kind).await?, Some(i64::try_from(server.members(kind).await?.len())?));
    }
    Ok(())
}

#[tokio::test]
async fn counters_are_set_only_where_nothing_was_counted() -> Result<()> {
    let mut server = Server::warm().await?;
    let import = |pv, reads| ImportCounters { article: written(42), pv, reads };
    assert_eq!(server.mistaken(&import(5, 3)).await?, Err(Refusal::Cold));
    let imported = server.call(&import(5, 3)).await??;
    assert_eq!((imported.outcome, imported.pv), (IMPORTED, 5));
    let again = server.call(&import(5, 3)).await??;
    assert_eq!((again.outcome, again.last), (WAS_THERE, imported.last));
    let other = server.call(&import(6, 3)).await??;
    assert_eq!((other.outcome, other.pv), (0, 5));
    let counters: (i64, i64) =
        (server.connection.get(keys::pv(article())).await?, server.connection.get(keys::reads(article())).await?);
    assert_eq!(counters, (5, 3));
    let changed: Vec<String> = server.connection.smembers(keys::changed(partition())).await?;
    assert_eq!(changed, ["42"], "it is to be saved");

    let mut server = Server::warm().await?;
    assert_eq!(server.call(&import(0, 7)).await??.outcome, IMPORTED);
    let pv: Option<i64> = server.connection.get(keys::pv(article())).await?;
    assert_eq!(pv, None, "a key that says 0 is none");
    Ok(())
}
