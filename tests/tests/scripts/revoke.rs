//! Holding pairs of user and article, and undoing changes meanwhile.

use anyhow::Result;
use contract::{
    Cause, Change, Kind, Truth, Written, keys,
    scripts::{Refusal, Release, Undo},
};
use redis::AsyncCommands;

use super::{Server, hold, pair, partition, toggle, written};

/// The pair of a user, with its ids.
fn of(kind: Kind, user: i64) -> Written {
    Written { kind, user: written(user), article: written(42) }
}

fn undo<'a>(pairs: &'a [Written], until: &'a str) -> Undo<'a> {
    Undo { partition: partition(), pairs, cause: Cause::Revoke, until }
}

#[tokio::test]
async fn a_short_hold_leaves_a_longer_one_its_time() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        for (ms, user) in [(60_000, 7), (1, 8)] {
            assert_eq!(server.call(&hold(&[pair(kind, user)], ms)).await??.got, [true]);
        }
        let left: i64 = server.connection.pttl(keys::held(partition())).await?;
        assert!(left > 60_000, "{left} ms");
        assert_eq!(server.call(&toggle(kind, 7, true)).await?, Err(Refusal::Held));
        assert_eq!(server.mistaken(&hold(&[], 1)).await?, Err(Refusal::Cold));
    }
    Ok(())
}

#[tokio::test]
async fn a_pair_is_held_by_one_and_released_by_it_alone() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        server.fill(kind, [7]).await?;
        let pairs = [pair(kind, 7), pair(kind, 8)];
        let first = server.call(&hold(&pairs[..1], 60_000)).await??;
        let second = server.call(&hold(&pairs, 50_000)).await??;
        assert_eq!((first.got, second.got), (vec![true], vec![false, true]));
        assert_eq!(server.outbox().await?.last().map(|entry| entry.id), Some(first.last));
        let release = |until| Release { partition: partition(), pairs: &pairs, until };
        assert_eq!(server.call(&release(&second.until)).await?, Ok(1));
        assert_eq!(server.call(&toggle(kind, 7, false)).await?, Err(Refusal::Held));
        assert_eq!(server.toggled(kind, 8, true).await?, (true, 2));
        assert_eq!(server.call(&release(&first.until)).await?, Ok(1));
        assert_eq!(server.toggled(kind, 7, false).await?, (true, 1));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_held_is_undone_with_an_event_and_let_go() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        server.fill(kind, [7, 9]).await?;
        // The second pair is on only in MySQL. The third is not held.
        let pairs = [of(kind, 7), of(kind, 8), of(kind, 9)];
        let held = server.call(&hold(&[pairs[0].pair(), pairs[1].pair()], 60_000)).await??;
        assert_eq!(server.mistaken(&undo(&pairs, &held.until)).await?, Err(Refusal::Cold));
        let undone = server.call(&undo(&pairs, &held.until)).await??;
        assert_eq!(undone.done, [true, true, false]);
        let events = server.events().await?;
        assert_eq!(events.last().map(|event| event.version), Some(undone.last));
        let logged: Vec<_> = events[2..].iter().map(|event| (event.user.clone(), event.change, event.cause)).collect();
        let off = |user: i64| (Some(written(user)), Change::Switch(kind, false), Cause::Revoke);
        assert_eq!(logged, [off(7), off(8)]);
        assert_eq!((server.count(kind).await?, server.members(kind).await?), (Some(1), [9].into()));
        assert_eq!(server.toggled(kind, 7, true).await?, (true, 2), "the pair is no longer held");
        let again = server.call(&undo(&pairs[..1], &held.until)).await??;
        assert_eq!(again.done, [false], "a pair that its user switched on since stays on");
    }
    Ok(())
}

#[tokio::test]
async fn without_a_hold_only_what_is_on_is_undone() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        server.fill(kind, [7]).await?;
        let undone = server.call(&undo(&[of(kind, 7), of(kind, 8)], "")).await??;
        assert_eq!(undone.done, [true, false]);
        assert_eq!(server.outbox().await?.len(), 2);
        assert_eq!(server.keys_of(kind).await?, [""; 0]);
    }
    Ok(())
}
